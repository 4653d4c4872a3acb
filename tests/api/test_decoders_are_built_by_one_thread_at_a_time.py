"""Many threads meet every kind for the first time at once, as the informers of a starting component do.

msgspec builds what it knows of a type step by step and publishes it before it is whole; a second thread that uses it
then ends the process. So each round runs in a process of its own.
"""

import subprocess
import sys
from pathlib import Path

ROUND = """
import sys, threading
from api.codec import decode
from api.resources import RESOURCES
sys.setswitchinterval(1e-6)
kinds = [one.type for one in RESOURCES]
gate = threading.Barrier(8)
def meet(first):
    gate.wait(20)
    for kind in kinds[first:] + kinds[:first]:
        decode(b'{"metadata": {"name": "a"}}', kind)
threads = [threading.Thread(target=meet, args=(number % len(kinds),), name=f"meet-{number}") for number in range(8)]
for one in threads: one.start()
for one in threads: one.join(30)
"""


def test_threads_that_decode_at_once_do_not_crash() -> None:
    for _ in range(8):
        done = subprocess.run(
            [sys.executable, "-X", "faulthandler", "-c", ROUND],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
