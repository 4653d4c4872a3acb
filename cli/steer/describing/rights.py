"""Roles, and whom they are bound to."""

from cli.steer.describing.page import Object, Page

_RULES = ("Resources", "Non-Resource URLs", "Resource Names", "Verbs")
_SUBJECTS = ("Kind", "Name", "Namespace")
# Verbs, groups, resources, names, paths.
_Rule = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]


def role(page: Page, item: Object) -> None:
    """What may be done: a line for each resource, with all verbs of all rules."""
    _begin(page, item)
    page.add("PolicyRule:")
    _table(page, _RULES)
    for verbs, groups, resources, names, urls in sorted(_simple(item.get("rules") or []), key=_as_text):
        shown = _shown(resources[0], groups[0]) if resources else ""
        page.add("\t".join([shown, *(f"[{' '.join(part)}]" for part in (urls, names, verbs))]), 1)


def binding(page: Page, item: Object) -> None:
    """A role, and who has it."""
    _begin(page, item)
    page.add("Role:")
    page.field("Kind", item["roleRef"]["kind"], 1)
    page.field("Name", item["roleRef"]["name"], 1)
    page.add("Subjects:")
    _table(page, _SUBJECTS)
    for one in item.get("subjects") or ():
        page.add("\t".join((one["kind"], one["name"], one.get("namespace", ""))), 1)


def _begin(page: Page, item: Object) -> None:
    page.field("Name", item["metadata"]["name"])
    page.labels("Labels", item["metadata"].get("labels"))
    page.annotations("Annotations", item["metadata"].get("annotations"))


def _table(page: Page, names: tuple[str, ...]) -> None:
    page.add("\t".join(names), 1)
    page.add("\t".join("-" * len(name) for name in names), 1)


def _simple(rules: list[Object]) -> list[_Rule]:
    """Taken apart by resource and name; the verbs of one resource are put together again."""
    found: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    others: list[_Rule] = []
    for rule in rules:
        verbs = rule.get("verbs") or []
        names: list[tuple[str, ...]] = [(name,) for name in rule.get("resourceNames") or ()] or [()]
        for group, resource in (
            (one, two) for one in rule.get("apiGroups") or () for two in rule.get("resources") or ()
        ):
            for name in names:
                known = found.setdefault((group, resource, name), [])
                known += [verb for verb in verbs if verb not in known]
        others += [((verb,), (), (), (), (url,)) for url in rule.get("nonResourceURLs") or () for verb in verbs]
    return others + [
        (tuple(verbs), (group,), (resource,), name, ()) for (group, resource, name), verbs in found.items()
    ]


def _as_text(rule: _Rule) -> str:
    """By which Kubernetes sorts them."""
    names = ("Verbs", "APIGroups", "Resources", "ResourceNames", "NonResourceURLs")
    return ",".join(f"{name}:[{' '.join(part)}]" for name, part in zip(names, rule, strict=True))


def _shown(resource: str, group: str) -> str:
    """``deployments.apps/scale``."""
    name, slash, sub = resource.partition("/")
    return (f"{name}.{group}" if group else name) + slash + sub
