"""Roles and their bindings."""

from datetime import datetime
from typing import Any

from api.rbac import ClusterRole, ClusterRoleBinding, Role, RoleBinding, Subject
from master.apiserver.tables.cells import age, moment
from master.apiserver.tables.column import AGE, CREATED_AT, NAME, Column, TableShape, wide


def _role(role: Role | ClusterRole, now: datetime) -> list[Any]:  # noqa: ARG001 - the shape of all cells
    return [role.metadata.name, moment(role.metadata.creation_timestamp)]


def _binding(binding: RoleBinding | ClusterRoleBinding, now: datetime) -> list[Any]:
    reference = binding.role_ref
    return [
        binding.metadata.name,
        f"{reference.kind}/{reference.name}",
        age(binding.metadata.creation_timestamp, now),
        _named(binding.subjects, "User"),
        _named(binding.subjects, "Group"),
        ", ".join(f"{one.namespace}/{one.name}" for one in binding.subjects if one.kind == "ServiceAccount"),
    ]


def _named(subjects: list[Subject], kind: str) -> str:
    return ", ".join(subject.name for subject in subjects if subject.kind == kind)


ROLE = TableShape((NAME, CREATED_AT), _role)
BINDING = TableShape(
    (
        NAME,
        Column("Role", "Kind and name of the role."),
        AGE,
        wide("Users", "Users that are given the role."),
        wide("Groups", "Groups that are given the role."),
        wide("ServiceAccounts", "Service accounts that are given the role."),
    ),
    _binding,
)
