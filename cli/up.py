"""`steersman up`: start the cluster on this host and wait until it is ready.

All components run as children of one supervisor in the background (with --foreground: of this process, for systemd).
A cluster that is up already is left as it is. Refused: a second supervisor, and settings other than those it runs with.
"""

import argparse
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from api.codec import learn
from api.resources import RESOURCES
from cli import board, daemon, logs
from cli.cluster import ENV_PREFIX, Settings, complete, is_installed, load, refuse_host_name
from cli.component import effective
from cli.components import COMPONENTS, Component
from cli.derive import config_of, settled
from cli.directories import claim_all
from cli.errors import CommandError
from cli.flags import add_flags, seconds
from cli.install import prepare, renew
from cli.notices import notify
from cli.processes import Identity, Lock, find, identity
from cli.progress import say
from cli.settings import settings_of
from cli.supervisor import Program, Supervisor

LOCK_FILE = "supervisor.lock"
# How long components of a supervisor that was killed may take to end: they are asked by the kernel at once.
TAKEOVER_LIMIT_S = 25.0
READY_INTERVAL_S = 0.5
RENEW_INTERVAL_S = 3600.0


def main(arguments: list[str]) -> int:
    """Bring the cluster up; the exit code."""
    namespace = _parser().parse_args(arguments)
    settings, values = load(namespace)
    if namespace.check_config:
        for one in COMPONENTS:
            config_of(one, complete(settings))
        print(effective(settings_of(Settings), values), end="")
        return 0
    if namespace.foreground:
        return stay(complete(settings))
    bring_up(complete(settings), limit_s=namespace.timeout)
    say(f"cluster {settings.name} is up; its kubeconfig: {settings.kubeconfig('admin')}")
    say(f"  export KUBECONFIG={settings.kubeconfig('admin')}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steersman up", description="Start the cluster on this host and wait until it is ready."
    )
    parser.add_argument("--foreground", action="store_true", help="stay and log to standard error (for systemd)")
    parser.add_argument("--timeout", type=seconds, default=120.0, metavar="SECONDS", help="longest wait (default: 120)")
    parser.add_argument("--check-config", action="store_true", help="print the settings in effect, or what is wrong")
    add_flags(parser, settings_of(Settings), env_prefix=ENV_PREFIX)
    return parser


def bring_up(settings: Settings, *, limit_s: float) -> bool:
    """Have the cluster running and ready; True when it was not running before."""
    from cli.readiness import wait_until_ready

    _refuse_user()
    refuse_host_name(settings)
    claim_all(settings)
    lock = Lock(settings.run / LOCK_FILE)
    running = _take_over(settings, lock)
    if running is not None:
        _refuse_other_settings(settings)
        say(f"cluster {settings.name} is already running (supervisor pid {running.pid})")
        wait_until_ready(settings, running, limit_s=limit_s)
        return False
    programs = _ready_programs(settings, background=True)
    supervisor = _detach(settings, programs)
    lock.drop()
    wait_until_ready(settings, supervisor, limit_s=limit_s)
    return True


def stay(settings: Settings) -> int:
    """Supervise in this process until told to end; the exit code."""
    _refuse_user()
    refuse_host_name(settings)
    claim_all(settings)
    lock = Lock(settings.run / LOCK_FILE)
    running = _take_over(settings, lock)
    if running is not None:
        raise CommandError(
            f"cluster {settings.name} is already running (supervisor pid {running.pid})",
            hint="stop it first: steersman down",
        )
    logs.start(settings.log_level)
    programs = _ready_programs(settings, background=False)
    steps = (_tell_systemd_when_ready(settings), _renew_now_and_then(settings))
    return Supervisor(programs, settings.run, steps=steps).run()


def _refuse_user() -> None:
    if os.geteuid() != 0:
        raise CommandError("a cluster needs root: it makes bridges, rules and containers", hint="use sudo")


def _take_over(settings: Settings, lock: Lock) -> Identity | None:
    """Take the lock; or the supervisor that has it. A dead supervisor's last components are waited for."""
    if lock.take():
        return None
    running = running_supervisor(settings)
    if running is not None:
        return running
    if lock.take(limit_s=TAKEOVER_LIMIT_S):
        return None
    running = running_supervisor(settings)
    if running is not None:
        return running
    written = board.read(settings.run)
    left = [one.pid for one in (written.processes if written else ()) if find(one)]
    raise CommandError(
        f"components of an earlier supervisor still run: pids {', '.join(map(str, left)) or 'unknown'}",
        hint="steersman down ends them",
    )


def running_supervisor(settings: Settings) -> Identity | None:
    """The supervisor that runs this cluster; None when there is none alive."""
    written = board.read(settings.run)
    return written.supervisor if written is not None and find(written.supervisor) is not None else None


def _refuse_other_settings(settings: Settings) -> None:
    """A running cluster keeps its settings: say what differs rather than pass over it."""
    saved, _ = load(argparse.Namespace(config_dir=str(settings.config)), environ={})
    changed = [
        f"{one.name.replace('_', '-')}: asked {getattr(settings, one.name)}, runs with {getattr(saved, one.name)}"
        for one in fields(Settings)
        if one.name not in ("root", "config_dir") and getattr(settings, one.name) != getattr(saved, one.name)
    ]
    if changed:
        raise CommandError(
            "\n".join(["the cluster is running with other settings", *changed]), hint="first: steersman down"
        )


def _ready_programs(settings: Settings, *, background: bool) -> list[Program]:
    """All that can fail is done before the first fork: certificates, settings, imports."""
    new = not is_installed(settings)
    if new:
        say(f"making cluster {settings.name} in {settings.config}")
    made = prepare(settings)
    if made:
        # Why each was made says something later only: at first all are missing.
        say("certificates and kubeconfig files: " + (f"{len(made)} made" if new else "; ".join(made)))
    programs = [_program(one, settings, background=background) for one in COMPONENTS]
    learn(one.type for one in RESOURCES)  # once here, shared by all components
    return programs


def _program(component: Component, settings: Settings, *, background: bool) -> Program:
    config, level = settled(component, settings)
    run = component.run()
    file = settings.logs / f"{component.name}.log" if background else None

    def work() -> int:
        logs.start(level, file=file)
        return daemon.serve(component.name, _bound(run, config))

    return Program(component.name, work)


def _bound(run: Callable[..., None], config: Any) -> Callable[[threading.Event], None]:
    return lambda stop: run(config, stop)


def _detach(settings: Settings, programs: list[Program]) -> Identity:
    """Fork the supervisor into a session of its own; who it is."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return identity(pid)
    code = 1
    try:
        os.setsid()
        os.chdir("/")
        _close_standard_input()
        logs.start(settings.log_level, file=settings.logs / "supervisor.log")
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        Path("/proc/self/comm").write_text("steersman", encoding="ascii")
        code = Supervisor(programs, settings.run, steps=(_renew_now_and_then(settings),)).run()
    except BaseException:
        traceback.print_exc()  # to the log from where that is open, before to the terminal
        raise
    finally:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _close_standard_input() -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def _renew_now_and_then(settings: Settings) -> Callable[[], float | None]:
    """A step for the supervisor: certificates are looked after while the cluster runs, not only when it starts."""
    due = time.monotonic() + RENEW_INTERVAL_S

    def step() -> float | None:
        nonlocal due
        if time.monotonic() >= due:
            renew(settings)
            due = time.monotonic() + RENEW_INTERVAL_S
        return due - time.monotonic()

    return step


def _tell_systemd_when_ready(settings: Settings) -> Callable[[], float | None]:
    """A step for the supervisor: asks the API until it is ready, tells systemd once, then has no more to do."""
    from cli.readiness import missing_api, missing_node
    from client import Client

    client: Client | None = Client.from_kubeconfig(settings.kubeconfig("admin"))

    def step() -> float | None:
        nonlocal client
        if client is None:
            return None
        if missing_api(client) or missing_node(client, settings.node_name):
            return READY_INTERVAL_S
        notify("READY=1")
        client.close()
        client = None
        return None

    return step
