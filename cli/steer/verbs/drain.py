"""`steer drain NODE`: cordon, then evict its pods through the API, which respects disruption budgets."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import click

from api.errors import NotFound, TooManyRequests
from cli.steer.cordoning import chosen_nodes, mark
from cli.steer.durations import DURATION
from cli.steer.failures import Failure
from cli.steer.session import Object, Session, with_session
from cli.steer.watching import deadline, until_gone
from cli.steer.writing import ONLY_DRY, options, tried

_RETRY_S = 5.0
_AT_ONCE = 32
_MIRROR = "kubernetes.io/config.mirror"


@click.command("drain")
@click.argument("nodes", nargs=-1, metavar="NODE…")
@click.option("-l", "--selector", default="", help="Label selector of the nodes.")
@click.option("--ignore-daemonsets", is_flag=True, help="Leave pods of daemon sets where they are.")
@click.option("--delete-emptydir-data", is_flag=True, help="Also pods whose emptyDir data will be lost.")
@click.option("--force", is_flag=True, help="Also pods that no controller will replace.")
@click.option("--grace-period", type=int, default=-1, help="Seconds to end gracefully; -1: each pod's own.")
@click.option("--timeout", type=DURATION, default="0s", help="How long to wait; 0: as long as it takes.")
@click.option("--disable-eviction", is_flag=True, help="Delete instead of evicting: budgets are not asked.")
@click.option("--chunk-size", type=int, default=500, help="How many pods are asked for at once; 0: all.")
@click.option(
    "--skip-wait-for-delete-timeout",
    type=int,
    default=0,
    help="Pods that have been going for more seconds than this are not waited for; 0: all are.",
)
@options(ONLY_DRY)
@click.option("--pod-selector", default="", help="Only pods with these labels.")
@with_session
def command(session: Session, nodes: tuple[str, ...], selector: str, **flags: Any) -> None:
    """Drain node in preparation for maintenance."""
    names = chosen_nodes(session, nodes, selector, verb="drain")
    for name in names:
        mark(session, name, unschedulable=True, dry_run=flags["dry_run"])
    end = deadline(flags["timeout"])
    for name in names:
        _empty(session, name, flags, end)
        print(f"node/{name} drained{tried(flags['dry_run'])}", flush=True)


def _empty(session: Session, node: str, flags: dict[str, Any], end: float) -> None:
    pods = session.discovery.find("pods")
    found = list(
        session.list(pods, "", fields=f"spec.nodeName={node}", labels=flags["pod_selector"], limit=flags["chunk_size"])
    )
    going, obstacles, warnings = _judged(found, flags)
    if obstacles:
        print(
            f'error: unable to drain node "{node}" due to error: {_together(obstacles)}, continuing command...',
            file=sys.stderr,
        )
        raise Failure(f"There are pending nodes to be drained:\n {node}\n" + "\n".join(obstacles), prefix="")
    for warning in warnings:
        print(f"Warning: {warning}", file=sys.stderr)
    if not going:
        return
    # All at once: one that a budget holds must not hold up the others.
    with ThreadPoolExecutor(min(_AT_ONCE, len(going)), thread_name_prefix="steer-evict") as pool:
        for done in [pool.submit(_out, session, pod, flags, end) for pod in going]:
            done.result()


def _out(session: Session, pod: Object, flags: dict[str, Any], end: float) -> None:
    """Evicts a pod, and waits until it has gone. Raises Failure."""
    kind, meta = session.discovery.find("pods"), pod["metadata"]
    dry_run = flags["dry_run"]
    print(f"evicting pod {meta['namespace']}/{meta['name']}{tried(dry_run)}", flush=True)
    if dry_run == "client":
        return
    _evict(session, pod, flags, end)
    if dry_run == "server" or _is_long_gone(meta, flags["skip_wait_for_delete_timeout"]):
        return
    if not until_gone(session, kind, meta["name"], meta["namespace"], meta["uid"], end):
        raise Failure(
            f'error when waiting for pod "{meta["name"]}" in namespace "{meta["namespace"]}" to terminate: global '
            "timeout reached"
        )
    print(f"pod/{meta['name']} evicted", flush=True)


def _together(errors: list[str]) -> str:
    return errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]"


def _is_long_gone(meta: Object, limit_s: int) -> bool:
    began = meta.get("deletionTimestamp")
    if not (limit_s and began):
        return False
    return (datetime.now(UTC) - datetime.fromisoformat(began)).total_seconds() > limit_s


def _judged(pods: list[Object], flags: dict[str, Any]) -> tuple[list[Object], list[str], list[str]]:
    """The pods that go, why some must not, and what is to be said of others."""
    going: list[Object] = []
    kept: dict[str, list[str]] = {}
    said: dict[str, list[str]] = {}
    for pod in pods:
        where = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        stays, obstacle, warning = _judgement(pod, flags)
        if obstacle:
            kept.setdefault(obstacle, []).append(where)
        if warning:
            said.setdefault(warning, []).append(where)
        if not stays and not obstacle:
            going.append(pod)
    return going, _lines(kept), _lines(said)


def _judgement(pod: Object, flags: dict[str, Any]) -> tuple[bool, str, str]:
    """Whether the pod stays where it is, what stands against its going, and what is to be said of it."""
    meta = pod["metadata"]
    owner = next((one for one in meta.get("ownerReferences") or () if one.get("controller")), None)
    if _MIRROR in (meta.get("annotations") or {}):
        return True, "", ""
    if pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return False, "", ""
    if owner and owner["kind"] == "DaemonSet":
        if flags["ignore_daemonsets"]:
            return True, "", "ignoring DaemonSet-managed Pods"
        return True, "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)", ""
    keeps_data = any("emptyDir" in volume for volume in pod["spec"].get("volumes") or ())
    if keeps_data and not flags["delete_emptydir_data"]:
        return True, "cannot delete Pods with local storage (use --delete-emptydir-data to override)", ""
    if not owner and not flags["force"]:
        return True, "cannot delete Pods that declare no controller (use --force to override)", ""
    return False, "", "" if owner else "deleting Pods that declare no controller"


def _lines(found: dict[str, list[str]]) -> list[str]:
    return [f"{text}: {', '.join(pods)}" for text, pods in found.items()]


def _evict(session: Session, pod: Object, flags: dict[str, Any], end: float) -> None:
    """A budget that says no is asked again until the time is over."""
    kind, meta = session.discovery.find("pods"), pod["metadata"]
    grace = {"gracePeriodSeconds": flags["grace_period"]} if flags["grace_period"] >= 0 else {}
    path = kind.path(meta["namespace"], meta["name"])
    dry = {"dryRun": ["All"]} if flags["dry_run"] == "server" else {}
    delete = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": meta["uid"]}, **grace, **dry}
    about = {"name": meta["name"], "namespace": meta["namespace"]}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": about, "deleteOptions": delete}
    while True:
        try:
            if flags["disable_eviction"]:
                session.call("DELETE", path, body=delete)
            else:
                session.call("POST", f"{path}/eviction", body=eviction)
            return
        except NotFound:
            return
        except TooManyRequests as error:
            if time.monotonic() + _RETRY_S > end:
                raise Failure(
                    f"error when evicting pods/{meta['name']} -n {meta['namespace']}: global timeout reached"
                ) from error
            told = f'error when evicting pods/"{meta["name"]}" -n "{meta["namespace"]}" (will retry after 5s): {error}'
            print(told, file=sys.stderr, flush=True)
            time.sleep(_RETRY_S)
            print(f"evicting pod {meta['namespace']}/{meta['name']}", flush=True)
