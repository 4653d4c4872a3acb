"""A cluster of hollow nodes is shaken by chance, and must come to rest as it is wanted.

Nodes come, die, freeze and are cut off; controllers, deployments, services and namespaces with quotas are made, scaled
and deleted; the API server, the controllers and the scheduler are killed and started. Then all is let go on, and what
must hold is looked at, ending with this: a cluster at rest writes nothing but heartbeats.

``STEERSMAN_SEED=N`` replays a run (but for who is quicker).
"""

import os
import random
import time
from pathlib import Path

import pytest

from tests.simulation.invariants import written, wrong
from tests.simulation.world import World

_SETTLED_S = 60.0


def settle(world: World, *, quiet_s: float) -> None:
    """Waits until everything holds and nothing is written for so long."""
    world.calm()
    said, noise = ["nothing was looked at"], None
    end = time.monotonic() + _SETTLED_S
    while said or noise:
        assert time.monotonic() < end, "\n".join([*(said or ["all holds"]), f"still written: {noise}"])
        if said:
            time.sleep(0.1)
            said = wrong(world)
        noise = written(world, quiet_s) if not said else None
        if noise is not None and not noise:
            said = wrong(world)


def run(folder: Path, *, seed: int, rounds: int, steps: int, quiet_s: float) -> None:
    world = World(folder, seed)
    try:
        for _ in range(rounds):
            world.shake(steps)
            settle(world, quiet_s=quiet_s)
    except BaseException:
        print(f"STEERSMAN_SEED={seed}", *world.story, sep="\n")
        for name in ("controllers", "scheduler", "apiserver"):
            print(f"-- {name}", world.processes.log(name, lines=400), sep="\n")
        raise
    finally:
        world.close()


def test_a_shaken_cluster_settles(tmp_path: Path) -> None:
    run(tmp_path, seed=int(os.environ.get("STEERSMAN_SEED", "7")), rounds=1, steps=45, quiet_s=3.0)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_cluster_that_is_shaken_for_long_settles_again_and_again(tmp_path: Path) -> None:
    seed = int(os.environ.get("STEERSMAN_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
    print(f"STEERSMAN_SEED={seed}")
    run(tmp_path, seed=seed, rounds=8, steps=120, quiet_s=12.0)
