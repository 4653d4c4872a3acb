"""Bad settings are named before anything starts."""

import pytest

from clusterdns.config import Config


def test_the_defaults_are_sound():
    assert Config().check() == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("domain", "cluster..local"),
        ("listen_address", "0.0.0.0"),
        ("listen_address", "localhost"),
        ("interface", "a-name-that-is-too-long"),
        ("port", 70000),
        ("metrics_port", -1),
        ("metrics_address", "here"),
        ("udp_bytes", 100),
        ("ttl_s", -1),
        ("upstream_timeout_s", 0.0),
        ("forward_workers", 0),
        ("reverse_cidrs", ("10.0.0.1/8",)),
        ("reverse_cidrs", ("0.0.0.0/0",)),
        ("upstreams", ("dns.example.com",)),
        ("upstreams", ("192.0.2.1:0",)),
    ],
)
def test_a_bad_setting_is_named(name, value):
    (problem,) = Config(**{name: value}).check()
    assert problem.startswith(f"{name}: ")


def test_every_setting_has_help():
    import dataclasses

    assert all(each.metadata["help"] for each in dataclasses.fields(Config))
