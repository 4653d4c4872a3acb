"""Where etcd is and every bound of the store on it."""

from dataclasses import dataclass
from pathlib import Path

from master.store.etcd.endpoint import Endpoint
from master.store.state import Bounds


@dataclass(frozen=True, kw_only=True, slots=True)
class EtcdOptions(Bounds):
    """`endpoints` are URLs of the members; the files are PEM; `compact_s` 0 leaves compaction to etcd's own option."""

    endpoints: tuple[str, ...]
    prefix: str = "/registry"
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    # etcd takes 1.5 MiB a request (--max-request-bytes), key and frame included.
    value_bytes_max: int = 1_500_000
    connections: int = 32
    request_timeout_s: float = 3.0
    write_timeout_s: float = 30.0
    open_timeout_s: float = 30.0
    probe_s: float = 5.0
    compact_s: float = 300.0

    def __post_init__(self) -> None:
        self.check_positive("connections", "request_timeout_s", "write_timeout_s", "open_timeout_s", "probe_s")
        if self.compact_s < 0:
            raise ValueError(f"compact_s: must be 0 (off) or above, not {self.compact_s}")
        if not self.prefix.startswith("/") or self.prefix.endswith("/") or "\0" in self.prefix:
            raise ValueError(f"prefix: must start with /, end without one and hold no NUL, not {self.prefix!r}")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file: and key_file must be given together")
        self.members()

    def members(self) -> tuple[Endpoint, ...]:
        """The endpoints in parts. Raises ValueError naming the field."""
        if not self.endpoints:
            raise ValueError("endpoints: at least one is needed")
        members = tuple(Endpoint.parse(url) for url in self.endpoints)
        if len({member.tls for member in members}) > 1:
            raise ValueError("endpoints: must be all http or all https")
        return members
