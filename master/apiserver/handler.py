"""Where every request comes in: who asks, may he, what for; then the operation, and the count of it.

The one door at which errors of the API become answers. What is not an ApiError is the edge's to log.
"""

import re
import time
from collections.abc import Awaitable

import msgspec
from msgspec.structs import replace

from api.errors import ApiError, BadRequest, MethodNotAllowed, NotFound, TooManyRequests
from api.selectors import FieldTerm, parse_fields
from master.apiserver.authentication.impersonation import impersonated
from master.apiserver.authentication.user import User
from master.apiserver.backend import Backend
from master.apiserver.call import Call, Target, is_on
from master.apiserver.documents import CUSTOM_RESOURCES, Documents
from master.apiserver.http.message import Answer, Request, Response, Stream, Upgrade, segments_of
from master.apiserver.inflight import InFlight, Lane, check_room
from master.apiserver.metrics import Labels, Metrics, Series, dry_run_label, verb_label
from master.apiserver.negotiation import check_form, output_of
from master.apiserver.operations.get import get
from master.apiserver.operations.list import check_reached
from master.apiserver.responses import error_response
from master.apiserver.routing import Operation, Path, Router, Way, nowhere, path_of, unserved

_RESOURCE_ROOTS = ("api", "apis")
_READS = ("get", "list", "watch")
_LISTED = ("list", "deletecollection")
_OF_MANY = ("list", "watch", "deletecollection")
# Answered by a node, in whatever form it has.
_NOT_OURS = ("attach", "exec", "log", "portforward", "proxy")
_OF_ANOTHER = ("authorization", "sec-websocket-protocol", "impersonate-user")
_EMPTY_NAMESPACE = re.compile(r"^(/api/v1|/apis/[^/]+/[^/]+)/namespaces//")
_NO_LABELS: Labels = ("", "", "", "", "", "")
_AT_ONCE = (Response, Stream, Upgrade)


class _Plan(msgspec.Struct, frozen=True):
    """What is the same for all requests whose paths differ in names only."""

    way: Way
    lane: Lane
    series: Series


class Handler:
    """All that a request can ask for."""

    def __init__(self, backend: Backend, documents: Documents, *, metrics: Metrics, inflight: InFlight) -> None:
        self._backend = backend
        self._documents = documents
        self._inflight = inflight
        self._router = Router()
        self._metrics = metrics
        # One for each method of each path that is served, so they are few.
        self._plans: dict[tuple[str, ...], _Plan] = {}

    def __call__(self, request: Request) -> Answer | Awaitable[Answer]:
        started = time.perf_counter()
        lane, series = self._inflight.unlimited, None
        try:
            user = impersonated(request, self._backend.authenticate(request), self._backend.access)
            peer = request.peer_certificate
            if peer is not None and peer.ends is not None:
                self._metrics.certificates.used(peer.ends - started)
            path = _path_of_resource(request.raw_path)
            if path is not None:
                plan = self._allowed_plan(request, user, path)
                series = plan.series
                if "dryRun" in request.raw_query:
                    tried = dry_run_label(request.query.get("dryRun", []))
                    series = self._metrics.requests.series(series.labels, tried)
                self._check_room(plan, user, series)
                lane = plan.lane
                way = plan.way
                target = Target(way.resource, path.namespace, path.name, way.subresource)
                answer = self._operate(request, user, way, target)
                if way.operation is get and type(answer) is Response:
                    answer = self._repeatable(request, plan, target, answer)
            else:
                series = self._metrics.requests.series((verb_label(request.method.lower()), "", "", "", "", ""))
                self._backend.access.authorize_path(user, request.method.lower(), request.path)
                answer = self._documents.answer(request)
        except (ApiError, RecursionError) as error:
            answer = _refusal(request, error)
        series = series or self._metrics.requests.series(_NO_LABELS)
        if isinstance(answer, _AT_ONCE):
            return _counted(answer, series, started)
        lane.enter()
        return self._later(request, answer, lane, series, started)

    def _allowed_plan(self, request: Request, user: User, path: Path) -> _Plan:
        """Raises as ``_plan``; and Unauthorized, Forbidden for one who may not ask: he is not told what is served."""
        try:
            return self._plan(request, path)
        except (NotFound, MethodNotAllowed):
            self._backend.access.authorize(user, *unserved(request.method, path))
            raise

    def _plan(self, request: Request, path: Path) -> _Plan:
        """Raises NotFound, MethodNotAllowed."""
        # One object is watched as a list of one, by its name: behind its own path `watch` says nothing.
        watch = "watch" if path.watch or (not path.name and _is_watch(request)) else ""
        scope = "resource" if path.name else "namespace" if path.namespace else "cluster"
        key = (
            request.method,
            watch,
            path.group,
            path.version,
            path.plural,
            path.subresource,
            path.namespace and "in",
            scope,
        )
        plan = self._plans.get(key)
        if plan is None:
            way = self._router.way(request.method, path, watch=bool(watch))
            lane = self._inflight.lane(way.verb, way.subresource)
            series = self._metrics.requests.series(_labels(way, scope))
            plan = self._plans[key] = _Plan(way, lane, series)
        return plan

    @staticmethod
    def _check_room(plan: _Plan, user: User, series: Series) -> None:
        """Raises TooManyRequests."""
        try:
            check_room(plan.lane, user)
        except TooManyRequests:
            series.ended += 1
            raise

    def _operate(self, request: Request, user: User, way: Way, target: Target) -> Answer | Awaitable[Answer]:
        self._backend.access.authorize(user, way.verb, _asked_for(request, way.verb, target))
        call = Call(request, user, way.verb, target)
        if way.subresource not in _NOT_OURS:
            call.output = output_of(request.headers.get("accept", ""), stream=way.verb == "watch")
            check_form(call.output.form, way.resource, is_list=way.verb in _LISTED)
        if way.verb in _READS and "resourceVersion" in request.raw_query:
            wanted = call.revision() or 0
            if wanted > self._backend.registry.cache.revision:
                return self._when_reached(way.operation, call, wanted)
        return way.operation(self._backend, call)

    async def _when_reached(self, operation: Operation, call: Call, wanted: int) -> Answer:
        """The client has seen more than this master: another one told it."""
        registry = self._backend.registry
        await registry.reach(wanted)
        check_reached(wanted, registry.cache.revision)
        answer = operation(self._backend, call)
        return await answer if isinstance(answer, Awaitable) else answer

    def _repeatable(self, request: Request, plan: _Plan, target: Target, answer: Response) -> Response:
        """The answer to a GET of one object, with the short way to the next one where that is sure: the stored bytes as
        they are, for one who proved himself by his certificate, until any role or binding changes."""
        headers = request.headers
        table = self._backend.registry.cache.table(target.resource)
        key = table.key(target.namespace, target.name)
        item = table.by_key(key)
        # A token can end, and so can the right to be somebody else.
        own = headers.keys().isdisjoint(_OF_ANOTHER)
        if item is None or answer.body is not item.wire or answer.headers or not own:
            return answer
        access, lane, series = self._backend.access, plan.lane, plan.series
        version, used = access.version, self._metrics.certificates.used
        ends = request.peer_certificate.ends if request.peer_certificate is not None else None

        def again() -> Response | None:
            started = time.perf_counter()
            item = table.by_key(key)
            if item is None or access.version != version or lane.full:
                return None
            if ends is not None:
                if ends <= started:
                    return None
                used(ends - started)
            series.count(200, time.perf_counter() - started)
            return Response(200, item.wire)

        return replace(answer, again=again)

    async def _later(
        self,
        request: Request,
        pending: Awaitable[Answer],
        lane: Lane,
        series: Series,
        started: float,
    ) -> Answer:
        try:
            answer = await pending
        except (ApiError, RecursionError) as error:
            answer = _refusal(request, error)
        finally:
            lane.leave()
        return _counted(answer, series, started)


def _counted(answer: Answer, series: Series, started: float) -> Answer:
    code = 101 if isinstance(answer, Upgrade) else answer.status
    series.count(code, time.perf_counter() - started)
    return answer


def _refusal(request: Request, error: ApiError | RecursionError) -> Response:
    """Only what a client sends can be nested so deeply that Python gives up."""
    told = error if isinstance(error, ApiError) else BadRequest("the body is nested too deeply")
    return error_response(request, told)


def _is_watch(request: Request) -> bool:
    return "watch" in request.raw_query and is_on(request, "watch")


def _asked_for(request: Request, verb: str, target: Target) -> Target:
    """What is asked for; a field selector by name makes a list one of a single object, as in Kubernetes."""
    if target.name or verb not in _OF_MANY or "fieldSelector" not in request.raw_query:
        return target
    match parse_fields(request.query.get("fieldSelector", [""])[0]):
        case (FieldTerm(field="metadata.name", value=name, equal=True),):
            return replace(target, name=name)
    return target


def _labels(way: Way, scope: str) -> Labels:
    resource = way.resource
    return verb_label(way.verb), resource.group, resource.version, resource.plural, way.subresource, scope


def _path_of_resource(raw_path: str) -> Path | None:
    """None for a path that is not of a resource. Raises NotFound for one that only looks so."""
    if "//" in raw_path:
        # A client whose namespace is empty means all of them; no other part may be empty, but behind a proxy.
        raw_path = _EMPTY_NAMESPACE.sub(r"\1/", raw_path, 1)
        if "//" in raw_path.partition("/proxy/")[0]:
            raise nowhere()
    segments = segments_of(raw_path)
    if len(segments) <= 2 or segments[0] not in _RESOURCE_ROOTS:
        return None
    is_discovery = (segments[0] == "apis" and len(segments) == 3) or segments == CUSTOM_RESOURCES
    return None if is_discovery else path_of(segments)
