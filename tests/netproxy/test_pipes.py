"""Pipes for bulk data are borrowed from what all programs of a user may have: few, and given back."""

from __future__ import annotations

import os
import subprocess
import sys

from netproxy.dataplane.pipes import IDLE_S, MAX_PIPES, PIPE_BYTES, Pipe, Pipes
from tests.netproxy.clocks import Clock
from tests.netproxy.servers import LIMIT_S

NOBODY = 65_534
SOFT_LIMIT_BYTES = 64 << 20
"""fs.pipe-user-pages-soft as the kernel sets it: above it a user without CAP_SYS_RESOURCE gets pipes of two pages."""

_TAKE = """
import os, sys
from netproxy.dataplane.pipes import LEAST_BYTES, Pipe, Pipes
from tests.netproxy.clocks import Clock
if not os.geteuid():
    os.setuid(int(sys.argv[1]))
others = []
while sys.argv[2] == "spent" and (not others or others[-1].size >= LEAST_BYTES):
    others.append(Pipe())
pipe = Pipes(Clock()).take()
print(pipe and pipe.size)
"""


def test_half_of_what_a_user_may_have_is_left_to_others() -> None:
    pipes = Pipes(Clock())
    taken = [pipe for pipe in (pipes.take() for _ in range(MAX_PIPES * 2)) if pipe is not None]
    for pipe in taken:
        pipes.give(pipe)
    pipes.release()
    assert sum(pipe.size for pipe in taken) == SOFT_LIMIT_BYTES // 2


def test_pipes_that_were_not_needed_for_a_while_are_closed() -> None:
    clock = Clock()
    pipes = Pipes(clock)
    first, second = _taken(pipes), _taken(pipes)
    pipes.give(first)
    pipes.give(second)
    clock.now = IDLE_S / 2
    assert pipes.take() is second
    pipes.give(second)
    clock.go_to(IDLE_S)
    assert _closed(first)
    assert not _closed(second)
    clock.go_to(IDLE_S * 2)
    assert _closed(second)
    assert not clock.timers
    pipes.give(_taken(pipes))
    pipes.release()


def test_a_pipe_of_two_pages_is_not_used() -> None:
    for share, size in (("free", str(PIPE_BYTES)), ("spent", "None")):
        done = subprocess.run(
            [sys.executable, "-c", _TAKE, str(NOBODY), share],
            capture_output=True,
            text=True,
            check=True,
            timeout=LIMIT_S,
        )
        assert done.stdout.strip() == size


def _taken(pipes: Pipes) -> Pipe:
    pipe = pipes.take()
    assert pipe is not None
    return pipe


def _closed(pipe: Pipe) -> bool:
    try:
        os.fstat(pipe.read)
    except OSError:
        return True
    return False
