"""Supervises components of the tests' own: run_supervisor.py RUN_DIR NAME... (a name that is `fails` ends at once)."""

import sys
from pathlib import Path

from fakepart.config import Config
from fakepart.main import run

from cli import daemon, logs
from cli.processes import Lock
from cli.supervisor import Program, Supervisor

run_dir = Path(sys.argv[1])
lock = Lock(run_dir / "supervisor.lock")
if not lock.take(limit_s=float(sys.argv[2])):
    sys.exit("refused: another supervisor has the lock")


def program(name: str) -> Program:
    def work() -> int:
        logs.start("info", file=run_dir / f"{name}.log")
        config = Config(node_name=name, file=run_dir / f"{name}.lives")
        return daemon.serve(name, lambda stop: run(config, stop))

    return Program(name, work)


logs.start("info", file=run_dir / "supervisor.log")
sys.exit(Supervisor([program(name) for name in sys.argv[3:]], run_dir).run())
