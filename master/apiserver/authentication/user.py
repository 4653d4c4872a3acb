"""Whom a request comes from, the groups that everyone is in, and the error of a proof that does not hold."""

from dataclasses import dataclass

AUTHENTICATED_GROUP = "system:authenticated"
UNAUTHENTICATED_GROUP = "system:unauthenticated"
MASTERS_GROUP = "system:masters"
ANONYMOUS_NAME = "system:anonymous"
ACCOUNT_PREFIX = "system:serviceaccount:"

Extra = tuple[tuple[str, tuple[str, ...]], ...]


class BadTokenError(Exception):
    """A token that proves nothing; the message says why."""


@dataclass(frozen=True, slots=True)
class User:
    """A name, groups, and what else is known; ``extra`` is pairs of a key and its values."""

    name: str
    groups: frozenset[str]
    uid: str = ""
    extra: Extra = ()

    @property
    def is_anonymous(self) -> bool:
        return self.name == ANONYMOUS_NAME

    @property
    def is_master(self) -> bool:
        """One who may do everything, whatever the rules say."""
        return MASTERS_GROUP in self.groups


ANONYMOUS = User(ANONYMOUS_NAME, frozenset({UNAUTHENTICATED_GROUP}))
