"""Replication controllers, replica sets, deployments, and templates of pods."""

import json
import re
from collections.abc import Iterator

from msgspec.structs import replace

from api.apps import Deployment, DeploymentSpec, ReplicaSet
from api.apps_sets import DaemonSet, StatefulSet
from api.codec import plain
from api.core import PodTemplate, PodTemplateSpec, ReplicationController
from api.errors import FieldError, forbidden, invalid, not_supported, required
from api.formats import LABEL_OPERATORS
from api.meta import LabelSelector
from api.selectors import Selector, from_label_selector, from_map
from api.struct import wire_name
from api.validation.declared import declared_metadata_errors
from api.validation.pod import pod_spec_errors
from api.validation.selectors import selector_errors

# What may change in a stateful set that is there.
_CHANGEABLE = (
    "replicas",
    "ordinals",
    "template",
    "update_strategy",
    "revision_history_limit",
    "persistent_volume_claim_retention_policy",
    "min_ready_seconds",
)
_NOTHING = (0, "0%")
_PERCENT = re.compile("[0-9]{1,9}%")
_NO_PERCENT = (
    "a valid percent string must be a numeric string followed by an ending '%' "
    "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
)


def replication_controller_errors(controller: ReplicationController) -> list[FieldError]:
    spec = controller.spec
    errors = [] if spec.selector else [required("spec.selector")]
    chosen = from_map(spec.selector) if spec.selector else None
    return errors + _template_errors(spec.template, chosen, "ReplicationController")


def replica_set_errors(replica_set: ReplicaSet) -> list[FieldError]:
    spec = replica_set.spec
    errors = _selector_errors(spec.selector, "deployment")
    return errors + _template_errors(spec.template, _chosen(spec.selector), "ReplicaSet")


def deployment_errors(deployment: Deployment) -> list[FieldError]:
    spec = deployment.spec
    errors = _selector_errors(spec.selector, "deployment")
    errors += _template_errors(spec.template, _chosen(spec.selector), "Deployment")
    errors += _strategy_errors(spec)
    deadline = spec.progress_deadline_seconds
    if deadline is not None and deadline <= spec.min_ready_seconds:
        errors.append(invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
    return errors


def set_errors(item: StatefulSet | DaemonSet) -> list[FieldError]:
    kind = type(item).__name__
    errors = _selector_errors(item.spec.selector, kind.lower())
    if isinstance(item, DaemonSet) and item.spec.update_strategy is not None:
        rolling = item.spec.update_strategy.rolling_update
        for name in ("max_unavailable", "max_surge") if rolling is not None else ():
            path = f"spec.updateStrategy.rollingUpdate.{wire_name(name)}"
            errors += share_errors(getattr(rolling, name), path)
        if rolling is not None and rolling.max_unavailable in _NOTHING and rolling.max_surge in _NOTHING:
            path = "spec.updateStrategy.rollingUpdate.maxUnavailable"
            errors.append(invalid(path, rolling.max_unavailable, "cannot be 0 when maxSurge is 0"))
    return errors + _template_errors(item.spec.template, _chosen(item.spec.selector), kind)


def stateful_set_update_errors(new: StatefulSet, old: StatefulSet) -> list[FieldError]:
    changed = {name: getattr(new.spec, name) for name in _CHANGEABLE}
    if replace(old.spec, **changed) == new.spec:
        return []
    detail = (
        "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
        "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
    )
    return [forbidden("spec", detail)]


def selector_update_errors(
    new: Deployment | ReplicaSet | DaemonSet, old: Deployment | ReplicaSet | DaemonSet
) -> list[FieldError]:
    if new.spec.selector == old.spec.selector:
        return []
    shown = f"Invalid value: {_json(new.spec.selector)}: field is immutable"
    return [FieldError("spec.selector", "FieldValueInvalid", shown)]


def pod_template_errors(template: PodTemplate) -> list[FieldError]:
    if template.template is None:
        return [required("template.spec.containers")]
    errors = declared_metadata_errors(template.template.metadata, "template.metadata")
    return errors + list(pod_spec_errors(template.template.spec, "template.spec"))


def _selector_errors(selector: LabelSelector | None, kind: str) -> list[FieldError]:
    if selector is None:
        return []
    if not selector.match_labels and not selector.match_expressions:
        detail = f"empty selector is invalid for {kind}"
        return [FieldError("spec.selector", "FieldValueInvalid", f"Invalid value: {{}}: {detail}")]
    return list(selector_errors(selector, "spec.selector"))


def _chosen(selector: LabelSelector | None) -> Selector | None:
    """None for a selector that is at fault itself, so that nothing can be said of what it picks."""
    if selector is None or not (selector.match_labels or selector.match_expressions):
        return None
    if any(term.operator not in LABEL_OPERATORS for term in selector.match_expressions):
        return None
    return from_label_selector(selector)


def _template_errors(template: PodTemplateSpec | None, chosen: Selector | None, kind: str) -> list[FieldError]:
    """The template's labels must be those that are counted, and its pods must be such as run for ever."""
    if template is None:
        return []
    errors = []
    labels = template.metadata.labels
    if chosen is not None and not chosen.matches(labels):
        detail = "`selector` does not match template `labels`"
        shown = f"Invalid value: {_json(dict(sorted(labels.items())))}: {detail}"
        errors.append(FieldError("spec.template.metadata.labels", "FieldValueInvalid", shown))
    errors.extend(pod_spec_errors(template.spec, "spec.template.spec"))
    if template.spec.restart_policy not in ("", "Always"):
        errors.append(not_supported("spec.template.spec.restartPolicy", template.spec.restart_policy, ("Always",)))
    if template.spec.active_deadline_seconds is not None:
        detail = f"activeDeadlineSeconds in {kind} is not Supported"
        deadline = template.spec.active_deadline_seconds
        errors.append(invalid("spec.template.spec.activeDeadlineSeconds", deadline, detail))
    return errors


def _strategy_errors(spec: DeploymentSpec) -> Iterator[FieldError]:
    strategy = spec.strategy
    rolling = strategy.rolling_update if strategy is not None else None
    if strategy is None or rolling is None:
        return
    path = "spec.strategy.rollingUpdate"
    if strategy.type == "Recreate":
        yield forbidden(path, "may not be specified when strategy `type` is 'Recreate'")
        return
    for name, value in (("maxUnavailable", rolling.max_unavailable), ("maxSurge", rolling.max_surge)):
        yield from share_errors(value, f"{path}.{name}")
    if _share(rolling.max_unavailable) == 0 and _share(rolling.max_surge) == 0:
        yield invalid(f"{path}.maxUnavailable", rolling.max_unavailable, "may not be 0 when `maxSurge` is 0")
    if isinstance(rolling.max_unavailable, str) and _share(rolling.max_unavailable) > 100:
        yield invalid(f"{path}.maxUnavailable", rolling.max_unavailable, "must not be greater than 100%")


def share_errors(value: int | str | None, path: str) -> Iterator[FieldError]:
    if isinstance(value, str) and not _PERCENT.fullmatch(value):
        yield invalid(path, value, _NO_PERCENT)
    elif isinstance(value, int) and value < 0:
        yield invalid(path, value, "must be greater than or equal to 0")


def _share(value: int | str | None) -> int:
    """The number before the percent sign, or the number; -1 for what is neither."""
    if isinstance(value, str):
        return int(value[:-1]) if _PERCENT.fullmatch(value) else -1
    return -1 if value is None else value


def _json(value: object) -> str:
    return json.dumps(plain(value), separators=(",", ":"))
