"""The settings of the apiserver."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Where the apiserver listens, what it gives out, and how much a client may ask of it."""

    name: str = field(default="steersman", metadata={"help": "name of the cluster"})
    data_dir: Path = field(default=Path("/var/lib/steersman/apiserver"), metadata={"help": "where the state is kept"})
    etcd_servers: tuple[str, ...] = field(
        default=(), metadata={"help": "URLs of the members of an etcd that keeps the state; none: SQLite in data-dir"}
    )
    etcd_prefix: str = field(default="/registry", metadata={"help": "start of all keys in etcd"})
    etcd_cafile: Path | None = field(default=None, metadata={"help": "CA of etcd's certificates; none: the host's"})
    etcd_certfile: Path | None = field(default=None, metadata={"help": "client certificate towards etcd"})
    etcd_keyfile: Path | None = field(default=None, metadata={"help": "its key"})
    bind_address: str = field(default="0.0.0.0", metadata={"help": "address to listen on"})
    secure_port: int = field(default=6443, metadata={"help": "port of the API; 0 takes a free one"})
    advertise_address: str | None = field(
        default=None, metadata={"help": "address by which nodes and pods reach this server; found out when left out"}
    )
    insecure_port: int = field(
        default=0, metadata={"help": "port without TLS and with all rights, on loopback only; 0 is none"}
    )
    config_dir: Path = field(
        default=Path("/etc/steersman"), metadata={"help": "where certificates are kept, in pki/, and kubeconfig files"}
    )
    tls_cert_file: Path | None = field(default=None, metadata={"help": "certificate; CONFIG_DIR/pki/apiserver.crt"})
    tls_private_key_file: Path | None = field(default=None, metadata={"help": "its key; CONFIG_DIR/pki/apiserver.key"})
    service_account_key_file: Path | None = field(
        default=None, metadata={"help": "key that signs tokens of service accounts; CONFIG_DIR/pki/sa.key"}
    )
    client_ca_file: Path | None = field(
        default=None, metadata={"help": "CA of client certificates; CONFIG_DIR/pki/ca.crt"}
    )
    kubelet_client_certificate: Path | None = field(
        default=None,
        metadata={"help": "client certificate towards agents; CONFIG_DIR/pki/apiserver-kubelet-client.crt"},
    )
    kubelet_client_key: Path | None = field(
        default=None, metadata={"help": "its key; CONFIG_DIR/pki/apiserver-kubelet-client.key"}
    )
    kubelet_certificate_authority: Path | None = field(
        default=None, metadata={"help": "CA of the agents' certificates; CONFIG_DIR/pki/ca.crt"}
    )
    service_cluster_ip_range: str = field(
        default="10.96.0.0/16", metadata={"help": "addresses for services; the first is this server's own"}
    )
    service_node_port_range: str = field(
        default="30000-32767", metadata={"help": "ports for services of type NodePort, as FIRST-LAST"}
    )
    cluster_domain: str = field(default="cluster.local", metadata={"help": "domain of the cluster's names"})
    event_ttl_s: int = field(default=3600, metadata={"help": "seconds after which an event is dropped"})
    max_connections: int = field(default=10_000, metadata={"help": "most clients at a time"})
    max_requests_inflight: int = field(
        default=400, metadata={"help": "most requests that may wait for a node or another master at a time"}
    )
    max_mutating_requests_inflight: int = field(
        default=1000, metadata={"help": "most writes that may wait for the disk at a time"}
    )
    max_request_bytes: int = field(default=3 * 1024 * 1024, metadata={"help": "most bytes of a request's body"})
    watch_queue: int = field(
        default=2000, metadata={"help": "most events that may wait for one watch before it is dropped"}
    )
    shutdown_grace_s: float = field(default=10.0, metadata={"help": "seconds for requests in flight at the end"})

    def check(self) -> list[str]:
        """Problems as "field: what is wrong"."""
        problems = [
            f"{name}: must be from 0 to 65535"
            for name in ("secure_port", "insecure_port")
            if not 0 <= getattr(self, name) <= 65535
        ]
        problems += [
            f"{name}: must be above 0"
            for name in (
                "event_ttl_s",
                "max_connections",
                "max_requests_inflight",
                "max_mutating_requests_inflight",
                "max_request_bytes",
                "watch_queue",
                "shutdown_grace_s",
            )
            if getattr(self, name) <= 0
        ]
        problems += etcd_problems(
            self.etcd_servers,
            self.etcd_prefix,
            ca=self.etcd_cafile,
            certificate=self.etcd_certfile,
            key=self.etcd_keyfile,
        )
        problems += _address_problems("bind_address", self.bind_address)
        if self.advertise_address is not None:
            problems += _address_problems("advertise_address", self.advertise_address)
        if bool(self.tls_cert_file) != bool(self.tls_private_key_file):
            problems.append("tls_cert_file: needs tls_private_key_file, and the other way round")
        return problems + _range_problems(self.service_cluster_ip_range) + _port_problems(self.service_node_port_range)

    def pki(self, name: str) -> Path:
        return self.config_dir / "pki" / name


def node_ports(text: str) -> tuple[int, int]:
    """First and last port. Raises ValueError."""
    first, _, last = text.partition("-")
    return int(first), int(last)


def etcd_problems(
    servers: tuple[str, ...], prefix: str, *, ca: Path | None, certificate: Path | None, key: Path | None
) -> list[str]:
    """What is wrong with the settings of etcd, each as "field: what is wrong"."""
    files = {"etcd_cafile": ca, "etcd_certfile": certificate, "etcd_keyfile": key}
    given = [name for name, file in files.items() if file is not None]
    if not servers:
        return [f"{name}: needs etcd_servers" for name in given]
    if (certificate is None) != (key is None):
        return ["etcd_certfile: needs etcd_keyfile, and the other way round"]
    from master.store.etcd.options import EtcdOptions  # most masters keep their state in a file

    try:
        members = EtcdOptions(endpoints=servers, prefix=prefix).members()
    except ValueError as error:
        field_name, _, rest = str(error).partition(":")
        return [f"{_ETCD_FIELDS[field_name]}:{rest}"]
    return [] if members[0].tls else [f"{name}: is of no use, since the servers are http" for name in given]


_ETCD_FIELDS = {"endpoints": "etcd_servers", "prefix": "etcd_prefix"}


def _address_problems(name: str, value: str) -> list[str]:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return [f"{name}: {value!r} is not an address"]
    return []


def _range_problems(cidr: str) -> list[str]:
    name = "service_cluster_ip_range"
    try:
        network = ipaddress.IPv4Network(cidr)
    except ValueError as error:
        return [f"{name}: {error}"]
    if not 12 <= network.prefixlen <= 29:
        return [f"{name}: the prefix must be from /12 to /29"]
    return []


def _port_problems(text: str) -> list[str]:
    name = "service_node_port_range"
    try:
        first, last = node_ports(text)
    except ValueError:
        return [f"{name}: {text!r} is not FIRST-LAST"]
    return (
        []
        if 1 <= first <= last <= 65535
        else [f"{name}: {text!r} must lie within 1-65535, the first not above the last"]
    )
