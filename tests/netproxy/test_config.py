"""Settings that cannot be used are named."""

from __future__ import annotations

import pytest

from netproxy.config import Config


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("cluster_cidr", "10.96.0.0"),
        ("cluster_cidr", "10.96.0.1/16"),
        ("cluster_cidr", "0.0.0.0/0"),
        ("chain_prefix", ""),
        ("chain_prefix", "a b"),
        ("chain_prefix", "x" * 40),
        ("healthz_port", 70_000),
        ("healthz_bind_address", "localhost"),
        ("udp_idle_s", 0.0),
    ],
)
def test_a_bad_setting_is_named(setting: str, value: object) -> None:
    (problem,) = Config(**{setting: value}).check()  # type: ignore[arg-type]
    assert problem.startswith(f"{setting}: ")


def test_the_default_settings_are_good() -> None:
    assert Config().check() == []
