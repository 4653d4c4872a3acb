"""A real process is killed with SIGKILL at its n-th rename; the next start makes the set whole and keeps the CA."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from master.pki import ensure, standard_identities

_PROGRAM = """
import os, signal, sys
from pathlib import Path
from master.pki import ensure, standard_identities

left = int(sys.argv[2])

def count(event, arguments):
    # An audit hook sees os.rename of Path.replace without changing it.
    global left
    if event == "os.rename":
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(count)
ensure(Path(sys.argv[1]), standard_identities(node_name="n"), server="https://127.0.0.1:6443")
"""


@pytest.mark.parametrize("step", range(1, 13))
def test_the_next_start_completes_what_a_killed_one_began(tmp_path: Path, step: int) -> None:
    command = [sys.executable, "-c", _PROGRAM, str(tmp_path), str(step)]
    killed = subprocess.run(command, timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    ca = tmp_path / "pki" / "ca.crt"
    before = ca.read_bytes() if ca.exists() else None

    pki = ensure(tmp_path, standard_identities(node_name="n"), server="https://127.0.0.1:6443")

    assert pki.done, "a killed start leaves something to do"
    assert before in (None, ca.read_bytes()), "a CA once made is kept"
    assert ensure(tmp_path, standard_identities(node_name="n"), server="https://127.0.0.1:6443").done == ()
    assert not list(tmp_path.rglob("*.tmp"))
