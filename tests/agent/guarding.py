"""Takes away what a private cluster has on Docker when the tests that made it are killed."""

import contextlib
import subprocess
from collections.abc import Iterator

# Waits for the end of its input, which is the end of whoever holds the other side.
_SCRIPT = """cat
docker ps --all --quiet --filter "label=io.steersman.cluster=$1" | xargs --no-run-if-empty docker rm --force --volumes
docker network rm "$2"
"""


@contextlib.contextmanager
def guarded(cluster: str, bridge: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Within, a process outside of this one's session stands by; at the end it is dismissed."""
    guard = subprocess.Popen(
        ["sh", "-c", _SCRIPT, "guard", cluster, bridge],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    assert guard.stdin is not None
    try:
        yield guard
    finally:
        guard.kill()
        guard.stdin.close()  # ends its `cat` too
        guard.wait(10)
