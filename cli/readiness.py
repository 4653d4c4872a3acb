"""Is the cluster up? Asked through the API as any client would, with the admin's kubeconfig."""

from api.core import Node
from api.errors import ApiError, NotFound
from cli import board
from cli.cluster import Settings
from cli.errors import CommandError
from cli.processes import Identity, find
from cli.progress import TooLate, wait
from client import Client, Unreachable

LOG_LINES = 12
TROUBLED_AFTER = 3  # restarts


def wait_until_ready(settings: Settings, supervisor: Identity, *, limit_s: float) -> None:
    """Wait for the API and this host's node; CommandError with the reason and the log when they do not come."""
    client = Client.from_kubeconfig(settings.kubeconfig("admin"))
    try:
        _wait(settings, supervisor, client, limit_s)
    except TooLate as error:
        raise CommandError(str(error), hint=_where_to_look(settings)) from error
    finally:
        client.close()


def _wait(settings: Settings, supervisor: Identity, client: Client, limit_s: float) -> None:
    def api() -> str:
        _refuse_dead(settings, supervisor)
        lack = missing_api(client)
        return lack and trouble(settings, lack)

    def node() -> str:
        _refuse_dead(settings, supervisor)
        lack = missing_node(client, settings.node_name)
        return lack and trouble(settings, lack)

    wait("API server", api, limit_s=limit_s)
    wait(f"node {settings.node_name}", node, limit_s=limit_s)


def missing_api(client: Client) -> str:
    """What keeps the API from being ready; empty when nothing does."""
    try:
        client.transport.request("GET", "/readyz")
    except Unreachable:
        return "does not answer yet"
    except ApiError as error:
        return _first_failing(error.message) or "not ready"
    return ""


def _first_failing(text: str) -> str:
    """The first check that fails of /readyz's text, a line a check; what else it says, in one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line.removeprefix("[-]") for line in lines if line.startswith("[-]")), " ".join(lines))


def missing_node(client: Client, name: str) -> str:
    """What keeps the node from being ready; empty when nothing does."""
    try:
        node = client.get(Node, name)
    except NotFound:
        return "has not registered yet"
    except (Unreachable, ApiError) as error:
        return str(error)
    for condition in node.status.conditions if node.status else []:
        if condition.type == "Ready":
            return "" if condition.status == "True" else condition.message or condition.reason or "not ready"
    return "has not reported yet"


def _refuse_dead(settings: Settings, supervisor: Identity) -> None:
    if find(supervisor) is None:
        raise CommandError("the components' supervisor ended", hint=_tail(settings, "supervisor"))


def trouble(settings: Settings, lack: str) -> str:
    """The lack, with the components that keep dying, and why the first of them does: the others may wait for it."""
    written = board.read(settings.run)
    failing = [one for one in (written.entries if written else ()) if one.restarts >= TROUBLED_AFTER]
    if not failing:
        return lack
    first, others = failing[0], ", ".join(one.name for one in failing[1:])
    told = f"{lack}; {first.name} ended {first.restarts} times ({first.last_exit})"
    told += f", others too: {others}" if others else ""
    last = _last_line(settings, first.name)
    return f"{told}; its log: {last}" if last else told


def _last_line(settings: Settings, name: str) -> str:
    """The end of a component's log, without the time; empty when there is none."""
    try:
        lines = (settings.logs / f"{name}.log").read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return lines[-1].partition(" ")[2] if lines else ""


def _where_to_look(settings: Settings) -> str:
    written = board.read(settings.run)
    failing = [one.name for one in (written.entries if written else ()) if one.restarts]
    told = [_tail(settings, name) for name in failing] or [f"the logs are in {settings.logs}"]
    return "\n".join([*told, "the components keep trying: steersman status shows them, steersman down stops them"])


def _tail(settings: Settings, name: str) -> str:
    path = settings.logs / f"{name}.log"
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
    except FileNotFoundError:
        return f"{path} was never written"
    return "\n".join([f"the end of {path}:", *(f"  {line}" for line in lines)])
