"""`steer describe`: an object with what belongs to it, and its events."""

import sys
from collections.abc import Callable, Sequence

import click

from api.errors import ApiError, NotFound
from cli.steer.describing import nodes, others, pods, policies, rights, services, workloads
from cli.steer.describing.page import Page
from cli.steer.discovery import Kind
from cli.steer.failures import Failure, Several, told
from cli.steer.files import FILES
from cli.steer.manifests import Source, manifests
from cli.steer.selection import Chosen, chosen, label_text
from cli.steer.session import PAGE, Object, Session, with_session
from cli.steer.writing import options

_NOTHING_SAID = (
    'You must specify the type of resource to describe. Use "steer api-resources" for a complete list of supported '
    "resources."
)
Describe = Callable[[Session, Page, Object, list[Object] | None], None]


@click.command("describe")
@click.argument("words", nargs=-1, metavar="TYPE [NAME-PREFIX…] | TYPE/NAME…")
@options(FILES)
@click.option("-l", "--selector", default="", help="Label selector.")
@click.option("-A", "--all-namespaces", is_flag=True, help="In all namespaces.")
@click.option("--chunk-size", type=int, default=PAGE, help="How many objects are asked for at once; 0: all.")
@click.option("--show-events/--no-show-events", default=True, help="With the object's events.")
@with_session
def command(
    session: Session, words: tuple[str, ...], filename: tuple[Source, ...], recursive: bool, selector: str,
    all_namespaces: bool, show_events: bool, chunk_size: int,
) -> None:  # fmt: skip
    """Show details of a specific resource or group of resources."""
    if filename:
        what = [Chosen(item.kind, (item.name,)) for item in manifests(session, filename, recursive=recursive)]
    elif words:
        what = chosen(session, words)
    else:
        raise Failure(_NOTHING_SAID)
    found, missing, by_prefix = _all(session, what, selector, everywhere=all_namespaces, limit=chunk_size)
    # As kubectl: events are for the one who looks at a single object.
    texts = [describe(session, kind, item, with_events=show_events and len(found) == 1) for kind, item in found]
    print("".join(f"{text}\n" for text in texts) if by_prefix else "\n\n".join(texts), end="", flush=True)
    for error in missing:
        print(told(error), file=sys.stderr)
    if not found and not missing:
        where = "" if all_namespaces else f" in {session.namespace} namespace."
        print(f"No resources found{where}", file=sys.stderr)
    if missing:
        raise Several


def _all(
    session: Session, what: Sequence[Chosen], selector: str, *, everywhere: bool, limit: int
) -> tuple[list[tuple[Kind, Object]], list[ApiError], bool]:
    """What was found, what was named and is not there, and whether only the beginning of a name was said."""
    found: list[tuple[Kind, Object]] = []
    missing: list[ApiError] = []
    by_prefix = False
    for one in what:
        space = session.space(one.kind, everywhere=everywhere)
        for item in session.list(one.kind, space, labels=selector, limit=limit) if not one.names else ():
            found.append((one.kind, item))
        for name in one.names:
            try:
                found.append((one.kind, session.get(one.kind, name, space)))
            except NotFound as error:
                alike = [item for item in session.list(one.kind, space) if item["metadata"]["name"].startswith(name)]
                found += [(one.kind, item) for item in alike]
                missing += [] if alike else [error]
                by_prefix |= bool(alike)
    return found, missing, by_prefix


def describe(session: Session, kind: Kind, item: Object, *, with_events: bool) -> str:
    """The page of one object."""
    page = Page()
    tell = _PAGES.get((kind.group, kind.kind), _generic)
    tell(session, page, item, _events(session, kind, item) if with_events else None)
    return page.text()


def _events(session: Session, kind: Kind, item: Object) -> list[Object]:
    meta = item["metadata"]
    fields = {"involvedObject.name": meta["name"], "involvedObject.kind": kind.kind}
    if kind.namespaced:
        fields["involvedObject.namespace"] = meta["namespace"]
        fields["involvedObject.uid"] = meta.get("uid", "")
    text = ",".join(f"{key}={value}" for key, value in fields.items() if value)
    space = meta["namespace"] if kind.namespaced else ""
    return list(session.list(session.discovery.find("events.v1"), space, fields=text))


def _list(session: Session, word: str, item: Object, *, labels: str = "", fields: str = "") -> list[Object]:
    space = item["metadata"].get("namespace", "")
    return list(session.list(session.discovery.find(word), space, labels=labels, fields=fields))


def _generic(_: Session, page: Page, item: Object, events: list[Object] | None) -> None:
    others.generic(page, item, events)


def _replicas(session: Session, page: Page, item: Object, events: list[Object] | None) -> None:
    its = _list(session, "pods", item, labels=label_text(item["spec"].get("selector") or {}))
    workloads.replicas(page, item, events, its)


def _deployment(session: Session, page: Page, item: Object, events: list[Object] | None) -> None:
    found = _list(session, "replicasets", item, labels=label_text(item["spec"]["selector"]))
    uid = item["metadata"]["uid"]
    own = [one for one in found if any(ref.get("uid") == uid for ref in one["metadata"].get("ownerReferences") or ())]
    workloads.deployment(page, item, events, own)


def _service(session: Session, page: Page, item: Object, events: list[Object] | None) -> None:
    label = f"kubernetes.io/service-name={item['metadata']['name']}"
    services.service(page, item, events, _list(session, "endpointslices", item, labels=label))


def _node(session: Session, page: Page, item: Object, events: list[Object] | None) -> None:
    name = item["metadata"]["name"]
    fields = f"spec.nodeName={name},status.phase!=Succeeded,status.phase!=Failed"
    its = list(session.list(session.discovery.find("pods"), "", fields=fields))
    try:
        lease = session.get(session.discovery.find("leases"), name, "kube-node-lease")
    except ApiError:
        lease = None
    nodes.node(page, item, events, its, lease)


def _namespace(session: Session, page: Page, item: Object, _: list[Object] | None) -> None:
    others.namespace(page, item)
    name = item["metadata"]["name"]
    quotas = list(session.list(session.discovery.find("resourcequotas"), name))
    ranges = list(session.list(session.discovery.find("limitranges"), name))
    policies.quotas(page, quotas)
    policies.limit_ranges(page, ranges)


def _claim(session: Session, page: Page, item: Object, events: list[Object] | None) -> None:
    policies.claim(page, item, events, _list(session, "pods", item))


_PAGES: dict[tuple[str, str], Describe] = {
    ("", "Pod"): lambda _, page, item, events: pods.pod(page, item, events),
    ("", "ReplicationController"): _replicas,
    ("apps", "ReplicaSet"): _replicas,
    ("apps", "Deployment"): _deployment,
    ("", "Service"): _service,
    ("", "Endpoints"): lambda _, page, item, events: services.endpoints(page, item, events),
    ("", "Node"): _node,
    ("", "Namespace"): _namespace,
    ("", "ConfigMap"): lambda _, page, item, events: others.config_map(page, item, events),
    ("", "Secret"): lambda _, page, item, __: others.secret(page, item),
    ("", "ResourceQuota"): lambda _, page, item, __: policies.quota(page, item),
    ("", "LimitRange"): lambda _, page, item, __: policies.limit_range(page, item),
    ("", "PersistentVolumeClaim"): _claim,
    ("policy", "PodDisruptionBudget"): lambda _, page, item, events: policies.budget(page, item, events),
    ("scheduling.k8s.io", "PriorityClass"): lambda _, page, item, events: policies.priority_class(page, item, events),
    **{
        ("rbac.authorization.k8s.io", kind): lambda _, page, item, __: rights.role(page, item)
        for kind in ("Role", "ClusterRole")
    },
    **{
        ("rbac.authorization.k8s.io", kind): lambda _, page, item, __: rights.binding(page, item)
        for kind in ("RoleBinding", "ClusterRoleBinding")
    },
    ("", "ServiceAccount"): lambda _, page, item, events: others.service_account(page, item, events),
}
