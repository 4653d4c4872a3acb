"""Replication controllers."""

from api.core import ReplicationController
from api.errors import FieldError, invalid, not_supported, required
from api.selectors import from_map
from api.validation.pod import pod_spec_errors


def replication_controller_errors(controller: ReplicationController) -> list[FieldError]:
    spec = controller.spec
    errors = [] if spec.selector else [required("spec.selector")]
    template = spec.template
    if template is None:
        return errors
    labels = template.metadata.labels
    if spec.selector and not from_map(spec.selector).matches(labels):
        shown = "{" + ",".join(f'"{key}":"{value}"' for key, value in sorted(labels.items())) + "}"
        detail = "`selector` does not match template `labels`"
        errors.append(
            FieldError("spec.template.metadata.labels", "FieldValueInvalid", f"Invalid value: {shown}: {detail}")
        )
    errors.extend(pod_spec_errors(template.spec, "spec.template.spec"))
    if template.spec.restart_policy not in ("", "Always"):
        errors.append(not_supported("spec.template.spec.restartPolicy", template.spec.restart_policy, ("Always",)))
    if template.spec.active_deadline_seconds is not None:
        errors.append(
            invalid(
                "spec.template.spec.activeDeadlineSeconds",
                template.spec.active_deadline_seconds,
                "activeDeadlineSeconds in ReplicationController is not Supported",
            )
        )
    return errors
