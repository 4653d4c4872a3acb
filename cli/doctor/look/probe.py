"""Which features the kernel has: each is used, in a network namespace that is gone when that is done."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from cli.cluster import Settings
from cli.doctor.look.commands import output

_ROOT = Path(__file__).parents[3]
_LINKS = {"bridge": {}, "veth": {}, "dummy": {}, "vxlan": {"vxlan_id": 1, "vxlan_port": 4789}}


def features(_settings: Settings) -> Mapping[str, str]:
    """Feature to why it does not work, empty where it does."""
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    code = "from cli.doctor.look.probe import main; main()"
    found: dict[str, str] = json.loads(output("unshare", "--net", sys.executable, "-c", code, PYTHONPATH=path))
    return found


def main() -> None:
    """The child in its namespace."""
    probes: dict[str, Callable[[], object]] = {kind: partial(_link, kind) for kind in _LINKS}
    probes["nat"] = partial(_rule, "nat", "OUTPUT", "REDIRECT", "--to-ports", "9")
    probes["overlay"] = _overlay
    probes["sets"] = _sets
    probes["nf_tables"] = partial(output, "nft", "add table ip probe")
    probes["tproxy"] = partial(_rule, "mangle", "PREROUTING", "TPROXY", "--on-port", "9")
    print(json.dumps({name: _why_not(probe) for name, probe in probes.items()}))


def _why_not(probe: Callable[[], object]) -> str:
    from pyroute2 import NetlinkError

    from netproxy.portals.commands import PortalError

    try:
        probe()
    except NetlinkError as error:
        return str(error.args[1] if len(error.args) > 1 else error)
    except Exception as error:  # noqa: BLE001 (whatever the kernel or a missing command says is the finding)
        if isinstance(error, FileNotFoundError):
            return f"there is no {error.filename}"
        return str(error.__cause__ or error) if isinstance(error, PortalError) else str(error)
    return ""


def _link(kind: str) -> None:
    from pyroute2 import IPRoute

    with IPRoute() as ip:
        ip.link("add", ifname=f"probe-{kind}", kind=kind, **_LINKS[kind])


def _rule(table: str, chain: str, *target: str) -> None:
    output("iptables", "-t", table, "-A", chain, "-p", "tcp", "-j", *target)


def _overlay() -> None:
    """The kernel lists what is loaded; what is not may be there as a module."""
    known = Path("/proc/filesystems")
    if "\toverlay" not in known.read_text() and shutil.which("modprobe"):
        output("modprobe", "overlay")
    if "\toverlay" not in known.read_text():
        raise OSError("not in /proc/filesystems")


def _sets() -> None:
    from netproxy.portals.sets import AddressSet

    AddressSet("probe").create()
