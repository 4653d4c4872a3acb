"""`steer logs POD`: of one container, of all, or of all pods that a selector finds."""

import sys
import threading
from dataclasses import dataclass
from typing import Any

import click

from api.errors import ApiError, NotFound
from cli.steer.durations import DURATION
from cli.steer.failures import Failure
from cli.steer.pods import container_meant, containers, pod_meant
from cli.steer.session import Object, Session, with_session
from client import Unreachable
from client.transport import Query

_EXPECTED = """\
expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.
POD or TYPE/NAME is a required argument for the logs command
See 'steer logs -h' for help and examples"""


@dataclass(frozen=True, slots=True)
class _Source:
    pod: str
    container: str


@click.command("logs")
@click.argument("pod", required=False, default="", metavar="POD | TYPE/NAME")
@click.argument("container", required=False, default="")
@click.option("-c", "--container", "container_flag", default="", help="The container whose log is printed.")
@click.option("-f", "--follow", is_flag=True, help="Go on as the log grows.")
@click.option("-p", "--previous", is_flag=True, help="The log of the container's run before this one.")
@click.option("--since", type=DURATION, default="0s", help="Only what is newer than a duration, as 5s, 2m or 3h.")
@click.option("--since-time", default="", help="Only what is newer than a time (RFC 3339).")
@click.option("--tail", type=int, default=-1, help="Lines from the end; -1: all (10 with a selector).")
@click.option("--timestamps", is_flag=True, help="Each line with its time.")
@click.option("--limit-bytes", type=int, default=0, help="At most so many bytes.")
@click.option("--all-containers", is_flag=True, help="All containers of the pods.")
@click.option("--prefix", is_flag=True, help="Each line with its pod and container.")
@click.option("--ignore-errors", is_flag=True, help="Go on with the others when one log breaks off.")
@click.option("--max-log-requests", type=int, default=5, help="How many logs may be followed at once.")
@click.option("-l", "--selector", default="", help="Label selector of the pods.")
@with_session
def command(session: Session, pod: str, container: str, container_flag: str, **flags: Any) -> None:
    """Print the logs for a container in a pod or specified resource."""
    query = _query(flags)
    sources = _sources(session, pod, container_flag or container, flags)
    if flags["follow"] and len(sources) > 1:
        _at_once(session, sources, query, flags)
        return
    for source in sources:
        _one(session, source, query, flags)


def _query(flags: dict[str, Any]) -> dict[str, str | int | bool | None]:
    if flags["since"] and flags["since_time"]:
        raise Failure("at most one of `sinceTime` or `sinceSeconds` may be specified")
    tail = flags["tail"] if flags["tail"] >= 0 else (10 if flags["selector"] else None)
    return {
        "follow": flags["follow"] or None, "previous": flags["previous"] or None,
        "sinceSeconds": max(1, round(flags["since"])) if flags["since"] else None,
        "sinceTime": flags["since_time"], "timestamps": flags["timestamps"] or None, "tailLines": tail,
        "limitBytes": flags["limit_bytes"] or None,
    }  # fmt: skip


def _sources(session: Session, word: str, container: str, flags: dict[str, Any]) -> list[_Source]:
    if bool(word) == bool(flags["selector"]):
        raise Failure(_EXPECTED)
    if container and flags["all_containers"]:
        raise Failure(f"--all-containers=true should not be specified with container name {container}")
    if word:
        found = [_pod(session, word)]
    else:
        found = list(session.list(session.discovery.find("pods"), session.namespace, labels=flags["selector"]))
        if not found:
            print(f"No resources found in {session.namespace} namespace.", file=sys.stderr)
    return [
        _Source(pod["metadata"]["name"], one["name"])
        for pod in found
        for one in (containers(pod) if flags["all_containers"] else [container_meant(pod, container)])
    ]


def _pod(session: Session, word: str) -> Object:
    try:
        return pod_meant(session, word, for_logs=True)
    except NotFound as error:
        where = f'error from server (NotFound): {error} in namespace "{session.namespace}"'
        raise Failure(where) from error


def _print(session: Session, source: _Source, query: Query, *, prefix: bool) -> None:
    path = session.discovery.find("pods").path(session.namespace, source.pod, "log")
    stream = session.transport.stream(path, query={**query, "container": source.container}, accept="*/*")
    if not prefix:
        for chunk in stream.chunks():
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
        return
    mark = f"[pod/{source.pod}/{source.container}] ".encode()
    for line in stream.lines():
        sys.stdout.buffer.write(mark + line + b"\n")
        sys.stdout.buffer.flush()


def _one(session: Session, source: _Source, query: Query, flags: dict[str, Any]) -> None:
    try:
        _print(session, source, query, prefix=flags["prefix"])
    except (ApiError, Unreachable) as error:
        if not flags["ignore_errors"]:
            raise
        print(f"error: {error}", flush=True)


def _at_once(session: Session, sources: list[_Source], query: Query, flags: dict[str, Any]) -> None:
    most = flags["max_log_requests"]
    if len(sources) > most:
        raise Failure(
            f"you are attempting to follow {len(sources)} log streams, but maximum allowed concurrency is {most}, use "
            "--max-log-requests to increase the limit"
        )
    threads = [threading.Thread(target=_one, args=(session, source, query, flags), daemon=True) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
