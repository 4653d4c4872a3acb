"""Roles and bindings. Messages are those of Kubernetes' pkg/apis/rbac/validation."""

from api.codec import encode
from api.errors import FieldError, forbidden, invalid, not_supported, required
from api.formats import dns_subdomain, path_segment
from api.rbac import GROUP, ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, Subject


def role_errors(role: Role) -> list[FieldError]:
    return [error for index, rule in enumerate(role.rules) for error in _rule_errors(rule, f"rules[{index}]", True)]


def cluster_role_errors(role: ClusterRole) -> list[FieldError]:
    errors = [error for index, rule in enumerate(role.rules) for error in _rule_errors(rule, f"rules[{index}]", False)]
    if role.aggregation_rule is not None and not role.aggregation_rule.cluster_role_selectors:
        errors.append(
            required(
                "aggregationRule.clusterRoleSelectors",
                "at least one clusterRoleSelector required if aggregationRule is non-nil",
            )
        )
    return errors


def _rule_errors(rule: PolicyRule, path: str, namespaced: bool) -> list[FieldError]:
    if rule.non_resource_urls:
        if namespaced:
            return [_plain(f"{path}.nonResourceURLs", rule.non_resource_urls, _NAMESPACED_URLS)]
        if rule.api_groups or rule.resources or rule.resource_names:
            return [_plain(f"{path}.nonResourceURLs", rule.non_resource_urls, _BOTH)]
        return []
    errors = []
    if not rule.api_groups:
        errors.append(required(f"{path}.apiGroups", "resource rules must supply at least one api group"))
    if not rule.resources:
        errors.append(required(f"{path}.resources", "resource rules must supply at least one resource"))
    return errors


_NAMESPACED_URLS = "namespaced rules cannot apply to non-resource URLs"
_BOTH = "rules cannot apply to both regular resources and non-resource URLs"


def binding_errors(binding: RoleBinding) -> list[FieldError]:
    return _role_ref_errors(binding) + _subjects_errors(binding.subjects, namespaced=True)


def cluster_binding_errors(binding: ClusterRoleBinding) -> list[FieldError]:
    errors = _role_ref_errors(binding)
    if binding.role_ref.kind == "Role":
        errors.append(not_supported("roleRef.kind", "Role", ["ClusterRole"]))
    return errors + _subjects_errors(binding.subjects, namespaced=False)


def binding_update_errors(
    new: RoleBinding | ClusterRoleBinding, old: RoleBinding | ClusterRoleBinding
) -> list[FieldError]:
    if new.role_ref == old.role_ref:
        return []
    return [FieldError("roleRef", "FieldValueInvalid", f"Invalid value: {_json(new.role_ref)}: cannot change roleRef")]


def _role_ref_errors(binding: RoleBinding | ClusterRoleBinding) -> list[FieldError]:
    reference = binding.role_ref
    found = [] if reference.api_group == GROUP else [not_supported("roleRef.apiGroup", reference.api_group, [GROUP])]
    if reference.name and (wrong := path_segment(reference.name)):
        found.append(invalid("roleRef.name", reference.name, wrong))
    return found


def _subjects_errors(subjects: list[Subject], *, namespaced: bool) -> list[FieldError]:
    found: list[FieldError] = []
    for index, subject in enumerate(subjects):
        path = f"subjects[{index}]"
        if subject.kind == "ServiceAccount":
            if subject.name and (wrong := dns_subdomain(subject.name)):
                found.append(invalid(f"{path}.name", subject.name, wrong))
            if subject.api_group:
                found.append(not_supported(f"{path}.apiGroup", subject.api_group, [""]))
            if not subject.namespace and not namespaced:
                found.append(required(f"{path}.namespace"))
        elif subject.kind in ("User", "Group"):
            if subject.api_group != GROUP:
                found.append(not_supported(f"{path}.apiGroup", subject.api_group, [GROUP]))
            if subject.namespace:
                found.append(forbidden(f"{path}.namespace", "only service accounts have a namespace"))
    return found


def _plain(path: str, values: list[str], detail: str) -> FieldError:
    return FieldError(path, "FieldValueInvalid", f"Invalid value: {_json(values)}: {detail}")


def _json(value: object) -> str:
    return encode(value).decode()
