"""How long a pod may take to end."""

DEFAULT_GRACE_S = 30
_LEAST_S = 1


def seconds(said: int | None) -> int:
    """Of ``terminationGracePeriodSeconds``: less than none is as fast as an end with a signal can be, as in
    Kubernetes."""
    if said is None:
        return DEFAULT_GRACE_S
    return said if said >= 0 else _LEAST_S
