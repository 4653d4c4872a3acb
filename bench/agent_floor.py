"""The floor of the agent's bench: bare ``docker run``, four at once, with nothing around it. One container a pod."""

import subprocess
import time
import uuid
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from bench.agent_site import COMMAND

_AT_ONCE = 4
_LIMIT_S = 120


def run_and_end(image: str, count: int) -> tuple[float, float]:
    """Seconds until so many run, and until they have ended on TERM and are removed."""
    names = [f"steersman-bench-floor-{uuid.uuid4().hex[:12]}" for _ in range(count)]
    try:
        up_s = _all(["docker", "run", "--detach", f"--name={name}", image, *COMMAND] for name in names)
        down_s = _all(["sh", "-c", 'docker stop "$0" && docker rm "$0"', name] for name in names)
    finally:
        subprocess.run(["docker", "rm", "--force", *names], capture_output=True, timeout=_LIMIT_S, check=False)
    return up_s, down_s


def _all(commands: Iterable[Sequence[str]]) -> float:
    began = time.perf_counter()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(_run, commands))
    return time.perf_counter() - began


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, timeout=_LIMIT_S, check=True)
