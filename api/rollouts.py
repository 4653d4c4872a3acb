"""The annotations and the label by which a deployment, its replica sets and its history belong together."""

REVISION = "deployment.kubernetes.io/revision"
# The revisions that a replica set had before, when it was gone back to.
HISTORY = "deployment.kubernetes.io/revision-history"
# The size for which a replica set was sized, and how many pods there may be in all.
DESIRED = "deployment.kubernetes.io/desired-replicas"
MOST = "deployment.kubernetes.io/max-replicas"
CHANGE_CAUSE = "kubernetes.io/change-cause"
HASH_LABEL = "pod-template-hash"
# A deployment's or a replica set's own; all other annotations go along with the template.
OWN = frozenset(
    (
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        HISTORY,
        DESIRED,
        MOST,
        "deprecated.deployment.rollback.to",
    )
)
