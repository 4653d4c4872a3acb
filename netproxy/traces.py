"""What netproxy has left on this host, seen without changing anything."""

from __future__ import annotations

import shutil

from netproxy.announcing.addresses import Addresses
from netproxy.config import Config
from netproxy.kernel.nft import NftTable
from netproxy.portals.edits import find
from netproxy.portals.iptables import cluster_set_of
from netproxy.portals.returns import ReturnPath
from netproxy.portals.routes import ServiceRoute
from netproxy.portals.tables import nat_table, others_may_hold_rules
from netproxy.proxy import reserved_ports


def seen(config: Config) -> list[str]:
    """Chains, set, table, route and reserved ports, by name. Raises PortalError."""
    found: list[str] = []
    if shutil.which("iptables"):
        other = others_may_hold_rules(config.iptables_mode)
        for mode in filter(None, (config.iptables_mode, other)):
            chains = find(nat_table(mode).save(), config.chain_prefix).chains
            found += [f"chain {chain}" for chain in sorted(chains)]
        found += ReturnPath(config.chain_prefix, config.iptables_mode).left()
    cluster_set = cluster_set_of(config.chain_prefix)
    found += [f"set {cluster_set.name}"] if cluster_set.exists() else []
    table = NftTable(config.chain_prefix)
    found += [f"nftables table {table.name}"] if table.exists() else []
    found += [f"address {address}" for address in sorted(Addresses(config.chain_prefix).present())]
    found += [f"route {config.cluster_cidr}"] if ServiceRoute(config.cluster_cidr).is_ours() else []
    found += ["reserved ports"] if reserved_ports(config).noted() else []
    return found
