"""The only place that opens the kernel's files. A file that is gone is None; any other failure is raised."""

import errno
import os

_CHUNK = 65536
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


_ABSENT = frozenset({errno.ENOENT, errno.ENODEV, errno.ESRCH, errno.ENOTDIR, errno.EOPNOTSUPP, errno.EINVAL})
