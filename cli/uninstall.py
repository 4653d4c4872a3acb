"""`steersman uninstall`: stop the cluster and remove all of it from this host, telling what was removed.

It can be called again at any time: what is gone is not missed, what was left is taken. The directories go last and only
when everything else went, for they hold the settings by which the rest is found.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from cli.cluster import ENV_PREFIX, Settings, complete, is_installed, load
from cli.down import stop
from cli.errors import CommandError
from cli.flags import add_flags
from cli.progress import say
from cli.settings import settings_of
from cli.traces import docker, host
from cli.traces.trace import Kind, Trace
from cli.up import running_supervisor


def main(arguments: list[str]) -> int:
    """Remove the cluster; the exit code: 1 when something could not be removed."""
    parser = argparse.ArgumentParser(
        prog="steersman uninstall", description="Stop the cluster and remove everything of it from this host."
    )
    parser.add_argument("--dry-run", action="store_true", help="only list what would be removed")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--keep-images", action="store_true", help="leave the images of the sandbox and the examples")
    add_flags(parser, settings_of(Settings), env_prefix=ENV_PREFIX)
    namespace = parser.parse_args(arguments)
    settings = complete(load(namespace)[0])
    if _nobody_is_meant(settings):
        say(f"there is no {settings.file}, so no cluster to remove")
        return 0
    client = docker.connect(settings.docker_host)
    try:
        kinds = kinds_of(settings, client, keep_images=namespace.keep_images)
        if namespace.dry_run:
            return _list(settings, kinds)
        if not namespace.yes:
            _ask(settings)
        return _remove_all(settings, kinds)
    finally:
        client.close()


def _nobody_is_meant(settings: Settings) -> bool:
    """Another place without settings, and no name: the default ones are those of this host's own cluster."""
    default = Settings()
    return settings.file != default.file and settings.name == default.name and not is_installed(settings)


def kinds_of(settings: Settings, client: Any, *, keep_images: bool) -> tuple[Kind, ...]:
    """All kinds of traces in the order of their removal: users before what they use, the settings last."""
    # Links are known by the containers they lead to: ask before those are gone.
    ids = docker.container_ids(client, settings.name)
    alone = not docker.other_clusters(client, settings.name)
    images: Callable[[], list[Trace]] = list if keep_images else partial(docker.images, client, settings.name)
    return (
        Kind("containers", partial(docker.containers, client, settings.name)),
        Kind("networks", partial(docker.networks, client, settings.name)),
        Kind("rules, routes and interfaces", partial(host.components, settings)),
        Kind("mounts", partial(host.mounts, settings)),
        Kind("log links", partial(host.log_links, settings, ids, alone=alone)),
        Kind("images", images),
        Kind("directories", partial(host.directories, settings)),
    )


def _list(settings: Settings, kinds: tuple[Kind, ...]) -> int:
    running = running_supervisor(settings)
    if running is not None:
        say(f"would stop: supervisor pid {running.pid} and its components")
    found = [trace for kind in kinds for trace in kind.find()]
    for trace in found:
        say(f"would remove: {trace.what}" if " kept: " not in trace.what else trace.what)
    if not found and running is None:
        say(f"nothing of cluster {settings.name} is on this host")
    return 0


def _ask(settings: Settings) -> None:
    if not sys.stdin.isatty():
        raise CommandError("nobody is there to ask", hint="say --yes, or --dry-run to see what would be removed")
    question = f"Remove cluster {settings.name} with all its pods and data from this host? [y/N] "
    if input(question).strip().lower() not in ("y", "yes"):
        raise CommandError("nothing was removed")


def _remove_all(settings: Settings, kinds: tuple[Kind, ...]) -> int:
    if stop(settings):
        say("stopped the components")
    *before, directories = kinds
    done, problems = 0, []
    for kind in before:
        count, failed = _remove_kind(kind)
        done += count
        problems += failed
    if not problems:
        count, problems = _remove_kind(directories)
        done += count
    if not problems:
        say(f"cluster {settings.name} is removed" if done else f"nothing of cluster {settings.name} was on this host")
        return 0
    raise CommandError(
        "\n".join(["not everything could be removed:", *problems]), hint="mend that, then call uninstall again"
    )


def _remove_kind(kind: Kind) -> tuple[int, list[str]]:
    """Remove all of one kind; how many went, and what went wrong: one failure does not keep the others."""
    done, problems = 0, []
    try:
        traces = kind.find()
    except Exception as error:  # noqa: BLE001 (told to the user, and nothing is taken for removed)
        return 0, [f"{kind.name}: {_why(error)}"]
    for trace in traces:
        try:
            sentences = trace.remove()
        except Exception as error:  # noqa: BLE001 (as above)
            problems.append(f"{trace.what}: {_why(error)}")
            continue
        for sentence in sentences:
            say(f"removed {sentence}" if " kept: " not in sentence else sentence)
        done += len(sentences)
    return done, problems


def _why(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        output = error.stderr if isinstance(error.stderr, str) else (error.stderr or b"").decode(errors="replace")
        return output.strip() or str(error)
    return str(error) or type(error).__name__
