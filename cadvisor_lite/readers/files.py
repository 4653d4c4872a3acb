"""The only place that opens the kernel's files. A file that is gone is None; any other failure is raised.

Opening is the dearest part of a reading. So a container's files can be kept open (`KeptFiles`), as many as the process
can spare; the kernel answers ENODEV on the descriptor of a cgroup that was removed.
"""

import errno
import os
import resource
from collections.abc import Callable

# Gives the whole content of a file in a directory, by its name; None where there is none.
Read = Callable[[str, str], bytes | None]

# A page: Python sets the whole of it aside before it reads, and most files are shorter.
_CHUNK = 4096
# seq_file hands out a page at a time and stops before a record that does not fit; no record read here is longer than
# 1 KiB, so less than half a page is always the whole file and the read that would only say "end" can be spared.
_SURELY_WHOLE = 2048


def read_file(path: str) -> bytes:
    """The whole content. Raises OSError; ENODEV is what a cgroup removed between open and read answers."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(descriptor, _CHUNK)
        if len(data) < _SURELY_WHOLE:
            return data
        parts = [data]
        while data := os.read(descriptor, _CHUNK):
            parts.append(data)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def read_optional(path: str) -> bytes | None:
    """The whole content, or None where the file (or its cgroup, or its process) does not exist or just went away.

    EOPNOTSUPP and EINVAL are what some kernels answer for a file whose feature is off.
    """
    try:
        return read_file(path)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise


def read_in(directory: str, name: str) -> bytes | None:
    """As `read_optional`."""
    return read_optional(f"{directory}/{name}")


_ABSENT = frozenset({errno.ENOENT, errno.ENODEV, errno.ESRCH, errno.ENOTDIR, errno.EOPNOTSUPP, errno.EINVAL})


class Spare:
    """How many descriptors may be kept open in all. Used under the lock of who reads."""

    def __init__(self, most: int) -> None:
        """At most three quarters of what the process may have open, as it is allowed when this is made."""
        self.left = min(most, resource.getrlimit(resource.RLIMIT_NOFILE)[0] * 3 // 4)


class KeptFiles:
    """Reads one cgroup's files again and again by descriptors that stay open; by opening them where none can be spared.

    A file is known by its name, which no two controllers share. Not thread-safe: one reading at a time, and `close`
    between readings.
    """

    def __init__(self, spare: Spare) -> None:
        self._spare = spare
        self._descriptors: dict[str, int] = {}
        self._absent: set[str] = set()

    def __call__(self, directory: str, name: str) -> bytes | None:
        """As `read_in`; what was absent counts as absent until `look_again`."""
        descriptor = self._descriptors.get(name)
        if descriptor is None:
            if name in self._absent:
                return None
            if self._spare.left <= 0:
                return read_in(directory, name)
            descriptor = self._keep(directory, name)
            if descriptor is None:
                return None
        try:
            data = os.pread(descriptor, _CHUNK, 0)
            if len(data) < _SURELY_WHOLE:
                return data
            while more := os.pread(descriptor, _CHUNK, len(data)):
                data += more
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise
        return data

    def removed(self) -> bool:
        """Whether the first file was unlinked: outside of the kernel's own trees a descriptor reads on what is gone."""
        one = next(iter(self._descriptors.values()), None)
        return one is not None and os.fstat(one).st_nlink == 0

    def look_again(self) -> None:
        """Files that were absent may have come: a controller was switched on."""
        self._absent.clear()

    def close(self) -> None:
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._spare.left += len(self._descriptors)
        self._descriptors.clear()

    def _keep(self, directory: str, name: str) -> int | None:
        try:
            descriptor = os.open(f"{directory}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno not in _ABSENT:
                raise
            self._absent.add(name)
            return None
        self._descriptors[name] = descriptor
        self._spare.left -= 1
        return descriptor
