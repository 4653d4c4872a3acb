"""/healthz, /livez and /readyz: named checks, each ``ok`` or why not.

/livez and /healthz fail when only a restart can help; /readyz also while the server starts or stops. 200 or 500.
"""

from collections.abc import Callable, Mapping

from master.apiserver.http.message import Request, Response
from master.apiserver.responses import text_response
from master.apiserver.routing import nowhere

Check = Callable[[], str]
"""Returns "" when all is well, else what is wrong."""


class Health:
    """The checks of one server."""

    def __init__(self, live: Mapping[str, Check], ready: Mapping[str, Check]) -> None:
        self._checks: dict[str, Mapping[str, Check]] = {
            "healthz": live,
            "livez": live,
            "readyz": {**live, **ready},
        }

    def answer(self, request: Request) -> Response:
        """``/livez``, ``/livez?verbose``, ``/livez?exclude=etcd``, ``/livez/etcd``. Raises NotFound."""
        name, *only = request.segments
        checks = self._checks[name]
        if only:
            if len(only) > 1 or only[0] not in checks:
                raise nowhere()
            checks = {only[0]: checks[only[0]]}
        excluded = request.query.get("exclude", [])
        results = {check: "" if check in excluded else run() for check, run in checks.items()}
        failed = any(results.values())
        if not failed and "verbose" not in request.query:
            return text_response("ok")
        lines = [_line(check, why, excluded=check in excluded) for check, why in results.items()]
        if unknown := [name for name in excluded if name not in checks]:
            named = ",".join(f'"{one}"' for one in unknown)
            lines.append(f"warn: some health checks cannot be excluded: no matches for {named}")
        lines.append(f"{name} check {'failed' if failed else 'passed'}")
        return text_response("\n".join(lines) + "\n", 500 if failed else 200)


def _line(check: str, why: str, *, excluded: bool) -> str:
    if excluded:
        return f"[+]{check} excluded: ok"
    return f"[-]{check} failed: {why}" if why else f"[+]{check} ok"
