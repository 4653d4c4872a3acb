"""The cluster's own settings: kept in its file, found again, told to each component."""

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from cli.cluster import Settings, complete, load, save
from cli.components import COMPONENTS, Component
from cli.derive import config_of, told
from cli.errors import SettingsError
from cli.settings import settings_of


def named(**flags: str) -> argparse.Namespace:
    return argparse.Namespace(**flags)


def test_what_was_saved_is_found_by_its_root(tmp_path: Path) -> None:
    settings = complete(Settings(root=tmp_path, name="one", agent_port=1234, bridge="br-one"))
    save(settings)
    found, _ = load(named(root=str(tmp_path)), environ={})
    assert found == settings
    by_directory, _ = load(named(config_dir=str(tmp_path / "etc/steersman")), environ={})
    assert by_directory == replace(settings, config_dir=tmp_path / "etc/steersman")


def test_a_flag_wins_over_what_was_saved(tmp_path: Path) -> None:
    save(complete(Settings(root=tmp_path, agent_port=1234)))
    found, values = load(named(root=str(tmp_path), agent_port="4321"), environ={"STEERSMAN_CLUSTER_AGENT_PORT": "1"})
    assert found.agent_port == 4321
    assert values["bridge"].origin.endswith("cluster.yaml: bridge")


def test_the_default_directories_are_the_usual_ones() -> None:
    settings = Settings()
    assert [str(one) for one in (settings.config, settings.data, settings.run, settings.logs)] == [
        "/etc/steersman",
        "/var/lib/steersman",
        "/run/steersman",
        "/var/log/steersman",
    ]


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        ({"name": "Upper Case"}, "--name: 'Upper Case' must be lower-case"),
        ({"service_cidr": "10.244.1.0/24"}, "--service-cidr: 10.244.1.0/24 overlaps pod-cidr"),
        ({"agent_port": "6443"}, "--agent-port: 6443 is taken by apiserver-port"),
        ({"bridge": "a-name-that-is-too-long"}, "--bridge: 'a-name-that-is-too-long' is no interface name"),
        ({"node_port_range": "30000"}, "--node-port-range: '30000' must be FIRST-LAST"),
        ({"chain_prefix": "steer"}, "--chain-prefix: 'steer' must be"),
        ({"data_dir": "relative"}, "--data-dir: relative must be an absolute path"),
        ({"bind_address": "here"}, "--bind-address: 'here' does not appear to be an IPv4 or IPv6 address"),
    ],
)
def test_a_bad_setting_is_named(tmp_path: Path, flags: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(named(root=str(tmp_path), **flags), environ={})
    assert any(one.startswith(problem) for one in caught.value.problems), caught.value.problems


def test_there_is_a_flag_for_every_field() -> None:
    assert len(settings_of(Settings)) == len(Settings.__dataclass_fields__)
    assert all(one.help for one in settings_of(Settings))


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda one: one.name)
def test_every_component_takes_what_the_cluster_tells_it(tmp_path: Path, component: Component) -> None:
    settings = complete(Settings(root=tmp_path, name="one", node_name="n1"))
    config = config_of(component, settings, environ={})
    for name, value in told(settings)[component.name].items():
        assert getattr(config, name) == value
    assert all(one.help for one in settings_of(component.config_class()))


def test_a_components_own_file_and_variables_win(tmp_path: Path) -> None:
    settings = complete(Settings(root=tmp_path))
    (cadvisor,) = (one for one in COMPONENTS if one.name == "cadvisor")
    settings.config.mkdir(parents=True)
    (settings.config / "cadvisor.yaml").write_text("cache-s: 3\nport: 7\n")
    config = config_of(cadvisor, settings, environ={"STEERSMAN_CADVISOR_PORT": "8"})
    assert (config.cache_s, config.port) == (3.0, 8)
