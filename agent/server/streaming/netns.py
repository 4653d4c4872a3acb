"""Sockets inside of a pod's network namespace, so that a server that listens on 127.0.0.1 in the pod is reached.

A thread that entered another namespace is never used for anything else: it is made for one socket and ends. The socket
stays in the namespace in which it was made.
"""

import ctypes
import os
import socket
import threading
from pathlib import Path

_CLONE_NEWNET = 0x4000_0000
_LIMIT_S = 5.0
_libc = ctypes.CDLL(None, use_errno=True)


class NetworkNamespace:
    """Held open by a descriptor: it cannot become another's while it is in use. Close it."""

    def __init__(self, pid: int) -> None:
        """That of a process. Raises OSError."""
        self._fd = os.open(Path("/proc") / str(pid) / "ns" / "net", os.O_RDONLY | os.O_CLOEXEC)

    def socket(self, family: socket.AddressFamily) -> socket.socket:
        """A TCP socket in there. Raises OSError."""
        made: list[socket.socket] = []
        failed: list[OSError] = []

        def make() -> None:
            try:
                if _libc.setns(self._fd, _CLONE_NEWNET) != 0:
                    number = ctypes.get_errno()
                    raise OSError(number, f"setns: {os.strerror(number)}")
                made.append(socket.socket(family, socket.SOCK_STREAM))
            except OSError as error:
                failed.append(error)

        thread = threading.Thread(target=make, name="pod-network-socket", daemon=True)
        thread.start()
        thread.join(_LIMIT_S)
        if failed:
            raise failed[0]
        if not made:
            raise TimeoutError("no socket in the pod's network")
        return made[0]

    def close(self) -> None:
        os.close(self._fd)
