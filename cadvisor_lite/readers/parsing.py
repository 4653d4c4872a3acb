"""From the kernel's text to values. Pure: bytes in, values out, nothing opened.

Formats: Documentation/admin-guide/cgroup-v1, cgroup-v2.rst, proc(5). A line that is not understood is skipped where
the kernel is free to add lines, and is a ValueError where it is not.
"""

from cadvisor_lite.readers.samples import DeviceIoSample, InterfaceSample

# cgroup v1 writes "no limit" as the largest multiple of the page size; cAdvisor draws the same line.
_UNLIMITED_FROM = 1 << 62
# As cAdvisor: loopback, and the host's ends of other containers' links.
_IGNORED_INTERFACES = ("lo", "veth", "docker", "nerdctl")


def parse_flat(data: bytes) -> dict[bytes, int]:
    """`key value` lines: memory.stat, cpu.stat, memory.events, cpuacct.stat, memory.oom_control."""
    words = data.split()
    return dict(zip(words[::2], map(int, words[1::2]), strict=True))


class Picked:
    """Picks a few keys of a long `key value` file such as memory.stat, without reading the numbers of the others.

    It remembers where each key stood last, since a kernel keeps their order. A key that is not there is left out.
    """

    def __init__(self, *keys: bytes) -> None:
        self._places = dict.fromkeys(keys, 0)

    def __call__(self, data: bytes) -> dict[bytes, int]:
        words = data.split()
        found, end = {}, len(words) - 1
        for key, place in self._places.items():
            if place >= end or words[place] != key:
                try:
                    place = words.index(key)
                except ValueError:
                    continue
                self._places[key] = place
            found[key] = int(words[place + 1])
        return found


def parse_limit(data: bytes | None) -> int | None:
    """One limit; None for "max", a negative number, v1's page-rounded infinity, or no file."""
    if data is None:
        return None
    word = data.strip()
    if word == b"max":
        return None
    value = int(word)
    return value if 0 <= value < _UNLIMITED_FROM else None


def parse_cpu_max(data: bytes) -> tuple[int | None, int]:
    """cpu.max of v2, `QUOTA PERIOD`: (quota or None, period), both in microseconds."""
    quota, period = data.split()
    return (None if quota == b"max" else int(quota), int(period))


def shares_from_weight(weight: int) -> int:
    """cpu.weight (1..10000) as the cpu.shares (2..262144) it was made from; runc's formula turned round."""
    return (weight - 1) * 262142 // 9999 + 2


def parse_proc_cgroup(text: str) -> dict[str, str]:
    """/proc/PID/cgroup as controller -> path; the unified hierarchy is under "". Paths may hold colons."""
    paths: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            paths[controller] = path
    return paths


def parse_blkio(total_bytes: bytes | None, operations: bytes | None) -> tuple[DeviceIoSample, ...]:
    """v1's blkio.throttle.io_service_bytes and io_serviced: `MAJ:MIN Read N` lines, then one `Total N`."""
    amounts, counts = _blkio(total_bytes), _blkio(operations)
    devices = dict.fromkeys((*amounts, *counts))
    return tuple(
        DeviceIoSample(device.decode(), *amounts.get(device, _NO_IO), *counts.get(device, _NO_IO)) for device in devices
    )


_NO_IO = (0, 0)


def _blkio(data: bytes | None) -> dict[bytes, tuple[int, int]]:
    """Read and written, by device. The kernel writes a device's lines together, and the total has no device."""
    words = data.split() if data else []
    found: dict[bytes, tuple[int, int]] = {}
    for at in range(1, len(words) - 1, 3):
        kind = words[at]
        if kind == b"Read":
            found[words[at - 1]] = (int(words[at + 1]), found.get(words[at - 1], _NO_IO)[1])
        elif kind == b"Write":
            found[words[at - 1]] = (found.get(words[at - 1], _NO_IO)[0], int(words[at + 1]))
    return found


def parse_io_stat(data: bytes | None) -> tuple[DeviceIoSample, ...]:
    """v2's io.stat: `MAJ:MIN rbytes=N wbytes=N rios=N wios=N ...`. A device without counters is left out."""
    devices = []
    for line in (data or b"").splitlines():
        name, *pairs = line.split()
        counters = dict(pair.split(b"=", 1) for pair in pairs)
        if b"rbytes" in counters:
            devices.append(
                DeviceIoSample(
                    name.decode(),
                    read_bytes=int(counters[b"rbytes"]),
                    write_bytes=int(counters[b"wbytes"]),
                    reads=int(counters[b"rios"]),
                    writes=int(counters[b"wios"]),
                )
            )
    return tuple(devices)


def parse_net_dev(data: bytes) -> tuple[InterfaceSample, ...]:
    """/proc/PID/net/dev without loopback and the host's ends of containers' links."""
    interfaces = []
    for line in data.splitlines()[2:]:
        name, _, counters = line.decode(errors="replace").rpartition(":")
        name = name.strip()
        if name.startswith(_IGNORED_INTERFACES):
            continue
        c = [int(word) for word in counters.split()]
        interfaces.append(InterfaceSample(name, c[0], c[1], c[2], c[3], c[8], c[9], c[10], c[11]))
    return tuple(interfaces)


def parse_meminfo(data: bytes) -> dict[str, int]:
    """/proc/meminfo in bytes; counts of huge pages stay counts."""
    values = {}
    for line in data.decode().splitlines():
        key, _, rest = line.partition(":")
        words = rest.split()
        values[key] = int(words[0]) * (1024 if words[1:] == ["kB"] else 1)
    return values


def parse_cpuinfo(data: bytes) -> tuple[int, int, int, int]:
    """/proc/cpuinfo: logical cores, physical cores, sockets, highest clock in kHz (0 where not told, as on ARM)."""
    logical, khz = 0, 0
    cores: set[tuple[str, str]] = set()
    for block in data.decode(errors="replace").split("\n\n"):
        fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in block.splitlines())}
        if "processor" in fields:
            logical += 1
            cores.add((fields.get("physical id", "0"), fields.get("core id", fields["processor"])))
            khz = max(khz, int(float(fields.get("cpu MHz", "0")) * 1000))
    return logical, len(cores), len({socket for socket, _ in cores}), khz


def parse_diskstats(data: bytes) -> dict[str, str]:
    """/proc/diskstats as `MAJ:MIN` -> device name."""
    rows = (line.split() for line in data.decode(errors="replace").splitlines())
    return {f"{row[0]}:{row[1]}": row[2] for row in rows if len(row) > 3}


def parse_mounts(data: bytes) -> tuple[tuple[str, str, str], ...]:
    """/proc/PID/mounts as (device, mount point, type) of block devices, each device once; \\040 is undone."""
    mounts: dict[str, tuple[str, str, str]] = {}
    for line in data.decode(errors="surrogateescape").splitlines():
        device, point, kind, *_ = line.split(" ")
        if device.startswith("/dev/") and kind != "squashfs":
            mounts.setdefault(device, (device, _unescape(point), kind))
    return tuple(mounts.values())


def _unescape(word: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        word = word.replace(code, character)
    return word


def parse_os_release(data: bytes) -> str:
    """PRETTY_NAME of /etc/os-release, or ""."""
    for line in data.decode(errors="replace").splitlines():
        key, _, value = line.partition("=")
        if key == "PRETTY_NAME":
            return value.strip().strip("\"'")
    return ""
