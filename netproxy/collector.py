"""Python's collector of cycles, set for a program that makes many lasting objects and hardly any cycle.

By default it looks at all young objects after each 700 that are new, and at everything after some of those looks: a
fifth of the time in which thousands of services are programmed, and a pause for all flows while thousands are open.
"""

from __future__ import annotations

import gc

YOUNG = 50_000
"""New objects between two looks; some 10 MB at most wait for the next one."""


def collect_seldom() -> None:
    """From now on; what is there by now is not looked at again."""
    gc.freeze()
    gc.set_threshold(YOUNG)
