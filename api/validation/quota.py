"""ResourceQuota, LimitRange and PriorityClass. Messages are those of Kubernetes' pkg/apis/core/validation."""

import re
from collections.abc import Iterator

from api.core.quota import LimitRange, LimitRangeItem, ResourceQuota
from api.errors import FieldError, duplicate, forbidden, invalid, not_supported, required
from api.formats import qualified_name
from api.scalars import Quantity
from api.scheduling import PriorityClass

COUNTED = (
    "pods",
    "services",
    "services.nodeports",
    "services.loadbalancers",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
)
AMOUNTS = ("cpu", "memory", "ephemeral-storage")
_HUGE_PAGES = "hugepages-"
_STANDARD = {
    *COUNTED,
    *AMOUNTS,
    *(f"{part}.{name}" for part in ("requests", "limits") for name in AMOUNTS),
    "requests.storage",
}
_QUALIFIED = re.compile(r"(requests\.)?[a-z0-9.-]+\.[a-z0-9.-]+/[A-Za-z0-9._-]+")
SCOPES = ("BestEffort", "CrossNamespacePodAffinity", "NotBestEffort", "NotTerminating", "PriorityClass", "Terminating")
_FREE_SCOPES = ("PriorityClass", "CrossNamespacePodAffinity")
_OPPOSITES = ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"})
_BEST_EFFORT = {"pods", "count/pods"}
_HIGHEST = 1_000_000_000
_SYSTEM = "system-"
SYSTEM_CLASSES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


def resource_quota_errors(quota: ResourceQuota) -> list[FieldError]:
    errors = [error for name, amount in quota.spec.hard.items() for error in _hard_errors(name, amount)]
    return errors + _scope_errors(quota)


def resource_quota_update_errors(new: ResourceQuota, old: ResourceQuota) -> list[FieldError]:
    if sorted(new.spec.scopes) != sorted(old.spec.scopes) or new.spec.scope_selector != old.spec.scope_selector:
        return [FieldError("spec.scopes", "FieldValueInvalid", "Invalid value: field is immutable")]
    return []


def _hard_errors(name: str, amount: Quantity) -> list[FieldError]:
    path = f"spec.hard[{name}]"
    errors = []
    if name not in _STANDARD and not name.startswith("count/") and not _QUALIFIED.fullmatch(name):
        errors.append(invalid(path, name, "must be a standard resource for quota"))
    if amount.value < 0:
        errors.append(invalid(path, str(amount), "must be greater than or equal to 0"))
    elif (name in COUNTED or name.startswith("count/")) and amount.value != amount.units:
        errors.append(invalid(path, str(amount), "must be an integer"))
    return errors


def _scope_errors(quota: ResourceQuota) -> list[FieldError]:
    spec, path = quota.spec, "spec.scopes"
    errors = [not_supported(path, scope, SCOPES) for scope in spec.scopes if scope not in SCOPES]
    scopes = set(spec.scopes)
    if any(pair <= scopes for pair in _OPPOSITES):
        errors.append(FieldError(path, "FieldValueInvalid", "Invalid value: conflicting scopes"))
    if "BestEffort" in scopes and set(spec.hard) - _BEST_EFFORT:
        errors.append(FieldError(path, "FieldValueInvalid", "Invalid value: unsupported scope applied to resource"))
    terms = spec.scope_selector.match_expressions if spec.scope_selector is not None else []
    for index, term in enumerate(terms):
        at = f"spec.scopeSelector.matchExpressions[{index}]"
        if term.operator in ("In", "NotIn") and not term.values:
            errors.append(required(f"{at}.values", "must be at least one value when `operator` is 'In' or 'NotIn'"))
        if term.operator in ("Exists", "DoesNotExist") and term.values:
            errors.append(invalid(f"{at}.values", "", "must be no value when `operator` is 'Exists' or 'DoesNotExist'"))
        if term.scope_name not in _FREE_SCOPES and term.operator != "Exists":
            errors.append(invalid(f"{at}.operator", term.operator, "must be 'Exist' when scope is any of these scopes"))
    return errors


def limit_range_errors(limit_range: LimitRange) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, item in enumerate(limit_range.spec.limits):
        path = f"spec.limits[{index}]"
        if item.type in seen:
            errors.append(duplicate(f"{path}.type", item.type))
        seen.add(item.type)
        errors += _item_errors(item, path)
    return errors


def _item_errors(item: LimitRangeItem, path: str) -> list[FieldError]:
    errors = []
    if item.type and (wrong := qualified_name(item.type)):
        errors.append(invalid(f"{path}.type", item.type, wrong))
    elif item.type and "/" not in item.type and item.type not in _LIMIT_TYPES:
        errors.append(invalid(f"{path}.type", item.type, "must be a standard limit type or fully qualified"))
    bounds = {"max": item.max, "min": item.min, "maxLimitRequestRatio": item.max_limit_request_ratio}
    defaults = {"default": item.default, "defaultRequest": item.default_request}
    if item.type == "Pod":
        why = "may not be specified when `type` is 'Pod'"
        errors += [forbidden(f"{path}.{field}", why) for field, amounts in defaults.items() if amounts]
        defaults = {"default": {}, "defaultRequest": {}}
    for field, amounts in (bounds | defaults).items():
        errors += [error for name in amounts for error in _limited_errors(item.type, name, f"{path}.{field}[{name}]")]
    if item.type == "PersistentVolumeClaim" and "storage" not in {*item.min, *item.max}:
        why = "either minimum or maximum storage value is required, but neither was provided"
        errors.append(required(f"{path}.limits", why))
    for low, high, field, shown in _ORDERS:
        lows, highs = (bounds | defaults)[low], (bounds | defaults)[high]
        for name in sorted(set(lows) & set(highs)):
            if lows[name].value > highs[name].value:
                other = _NAMED.get(f"{low}-{high}", _NAMED[high])
                why = f"{_NAMED[low]} {lows[name]} is greater than {other} {highs[name]}"
                errors.append(invalid(f"{path}.{field}[{name}]", str((bounds | defaults)[shown][name]), why))
    errors += [error for name in item.max_limit_request_ratio for error in _ratio_errors(item, name, path)]
    # A pod may have none, and that is said already.
    return errors + [error for name in defaults["default"] for error in _default_errors(item, name, path)]


_LIMIT_TYPES = ("Container", "PersistentVolumeClaim", "Pod")
_NAMED = {
    "min": "min value",
    "max": "max value",
    "default": "default value",
    "defaultRequest": "default request value",
    "defaultRequest-default": "default limit value",
}
# Which may not be above which; the field that is told, and the one whose value is, which Kubernetes does not always
# take from the same.
_ORDERS = (
    ("min", "max", "min", "min"),
    ("min", "defaultRequest", "defaultRequest", "defaultRequest"),
    ("defaultRequest", "max", "defaultRequest", "defaultRequest"),
    ("defaultRequest", "default", "defaultRequest", "defaultRequest"),
    ("min", "default", "default", "min"),
    ("default", "max", "default", "max"),
)


def _limited_errors(kind: str, name: str, path: str) -> Iterator[FieldError]:
    """Of a resource's name; whether it is qualified at all is declared."""
    if "/" in name:
        return
    if name not in _STANDARD | {"storage"} and not name.startswith(_HUGE_PAGES):
        yield invalid(path, name, "must be a standard resource type or fully qualified")
    if kind in ("Container", "Pod") and name not in AMOUNTS and not name.startswith(_HUGE_PAGES):
        yield invalid(path, name, "must be a standard resource for containers")


def _ratio_errors(item: LimitRangeItem, name: str, path: str) -> Iterator[FieldError]:
    ratio, at = item.max_limit_request_ratio[name], f"{path}.maxLimitRequestRatio[{name}]"
    if ratio.value < 1:
        yield invalid(at, str(ratio), f"ratio {ratio} is less than 1")
    low, high = item.min.get(name), item.max.get(name)
    if low is not None and high is not None and low.value and ratio.value > (most := high.value / low.value):
        yield invalid(at, str(ratio), f"ratio {ratio} is greater than max/min = {float(most):f}")


def _default_errors(item: LimitRangeItem, name: str, path: str) -> Iterator[FieldError]:
    """What cannot be promised twice is asked for and limited by one amount."""
    limit, request = item.default[name], item.default_request.get(name)
    native = "/" not in name or "kubernetes.io/" in name
    if native and not name.startswith(_HUGE_PAGES):
        return
    if request is not None and request.value != limit.value:
        why = f"default value {limit} must equal to defaultRequest value {request} in {name}"
        yield invalid(f"{path}.defaultRequest[{name}]", str(request), why)


def priority_class_errors(priority: PriorityClass) -> list[FieldError]:
    name, value = priority.metadata.name, priority.value
    if name.startswith(_SYSTEM):
        if SYSTEM_CLASSES.get(name) == value:
            return []
        return [
            forbidden(
                "metadata.name",
                f"priority class names with '{_SYSTEM}' prefix are reserved for system use only. error: {name} "
                "is not a known system priority class",
            )
        ]
    if value > _HIGHEST:
        return [forbidden("value", f"maximum allowed value of a user defined priority is {_HIGHEST}")]
    return []
