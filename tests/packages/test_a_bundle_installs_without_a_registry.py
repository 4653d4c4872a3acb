"""A bundle is all that a host needs: installed without network, again without change, upgraded, and taken away."""

import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import yaml

from cli.component import LOG_LEVEL
from cli.components import COMPONENTS
from cli.settings import settings_of
from tests.packages.conftest import install, summed, tree


def test_it_installs_without_network_and_the_commands_run(installed: Path) -> None:
    root = installed
    for command in ("steersman", "steer"):
        link = root / "usr/local/bin" / command
        assert link.readlink() == Path(f"/opt/steersman/current/bin/{command}")
        program = root / "opt/steersman/current/bin" / command
        shown = subprocess.run([program, "--help"], capture_output=True, text=True, cwd="/", check=True).stdout
        assert command in shown
    units = {one.name for one in (root / "etc/systemd/system").iterdir()}
    assert {f"steersman-{one.name}.service" for one in COMPONENTS} <= units
    assert {"steersman-master.target", "steersman-node.target", "steersman.slice"} <= units


def test_its_components_take_the_settings_files_as_they_are(installed: Path) -> None:
    root = installed
    program = root / "opt/steersman/current/bin/steersman"
    for component in COMPONENTS:
        file = root / "etc/steersman" / f"{component.name}.yaml"
        settings = (*settings_of(component.config_class()), LOG_LEVEL)
        assert re.findall(r"^#?([a-z0-9-]+): ", file.read_text(), re.MULTILINE) == [one.key for one in settings]
        checked = subprocess.run(
            [program, component.name, "--config", file, "--check-config"],
            capture_output=True, text=True, cwd="/", check=True,
        )  # fmt: skip
        assert len(checked.stdout.splitlines()) == len(settings)
        # What the comments show are the defaults: without the signs the file means the same.
        plain = yaml.safe_load(re.sub(r"^#([a-z0-9-]+): ", r"\1: ", file.read_text(), flags=re.MULTILINE))
        assert plain.keys() == {one.key for one in settings}
        assert plain.get("healthz-port") != 0, "the watchdog asks at this port"


def test_a_second_run_changes_nothing(slim: Path, root: Path) -> None:
    install(slim, root)
    (root / "etc/steersman/agent.yaml").write_text("node-name: n1\n")
    before = tree(root / "opt/steersman/current/lib"), tree(root / "etc/steersman")
    said = install(slim, root).stdout
    assert "is there" in said
    assert (tree(root / "opt/steersman/current/lib"), tree(root / "etc/steersman")) == before


def test_an_upgrade_keeps_settings_and_the_version_before(slim: Path, root: Path, tmp_path: Path) -> None:
    install(slim, root)
    first = (root / "opt/steersman/current").readlink()
    (root / "etc/steersman/dns.yaml").write_text("ttl-s: 7\n")
    newer = renamed(slim, tmp_path / "newer", "9.9.8")
    (newer / "systemd/steersman-cadvisor.service").unlink()
    summed(newer)
    install(newer, root)
    assert (root / "opt/steersman/current").readlink() == Path("9.9.8")
    assert (root / "opt/steersman" / first).is_dir()
    assert not (root / "etc/systemd/system/steersman-cadvisor.service").exists()
    assert (root / "etc/steersman/dns.yaml").read_text() == "ttl-s: 7\n"
    install(renamed(slim, tmp_path / "newest", "9.9.9"), root)
    versions = {one.name for one in (root / "opt/steersman").iterdir() if one.is_dir() and not one.is_symlink()}
    assert versions == {"9.9.8", "9.9.9"}


def test_remove_leaves_nothing_but_settings_and_state(slim: Path, root: Path) -> None:
    (root / "usr/local/bin").mkdir(parents=True)
    (root / "usr/local/bin/other").write_text("somebody else's")
    install(slim, root)
    done = subprocess.run(
        [root / "opt/steersman/install", "--destdir", root, "--remove"], capture_output=True, text=True, check=True
    )
    assert "settings and state were kept" in done.stdout
    shutil.rmtree(root / "etc/steersman")
    left = {str(one.relative_to(root)) for one in root.rglob("*") if not one.is_dir()}
    markers = {f"{one}/steersman/.steersman" for one in ("var/lib", "var/log", "run")}
    assert left == markers | {"usr/local/bin/other"}
    assert not (root / "usr/local/share").exists()
    assert not (root / "opt/steersman").exists()


def test_a_damaged_bundle_is_refused_before_anything_is_written(slim: Path, root: Path, tmp_path: Path) -> None:
    damaged = renamed(slim, tmp_path / "damaged", "1")
    wheel = next((damaged / "wheels").glob("click-*.whl"))
    wheel.write_bytes(wheel.read_bytes()[:-1] + b"x")
    done = install(damaged, root, check=False)
    assert done.returncode == 1
    assert wheel.name in done.stderr + done.stdout
    assert "the bundle is damaged" in done.stderr
    assert not root.exists()


def test_an_interpreter_that_is_too_old_is_named(slim: Path, root: Path, tmp_path: Path) -> None:
    old = tmp_path / "python2"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = install(slim, root, "--python", old, check=False)
    assert done.returncode == 1
    assert f"{old} cannot be used: it must be CPython 3.11 or newer" in done.stderr


def test_every_wheel_fits_the_oldest_host(bundle: Path) -> None:
    """glibc 2.17: manylinux2014 and older by name, or built here and looked into by scripts/bundle."""
    tags = {one.name: one.stem.rsplit("-", 1)[1] for one in (bundle / "wheels").glob("*.whl")}
    built = {name for name, tag in tags.items() if tag == "linux_x86_64"}
    assert {one.partition("-")[0] for one in built} <= {"python_iptables"}
    for name, tag in tags.items():
        glibc = re.findall(r"manylinux_2_(\d+)_", tag)
        assert tag == "any" or name in built or min(map(int, glibc)) <= 17, name


def test_the_pause_image_is_one_that_docker_loads(bundle: Path) -> None:
    with tarfile.open(bundle / "images/pause.tar") as tar:
        assert set(tar.getnames()) >= {"manifest.json", "layer.tar"}
    loaded = subprocess.run(
        ["docker", "load", "--input", bundle / "images/pause.tar"], capture_output=True, text=True, check=True
    )
    assert "steersman/pause" in loaded.stdout


def renamed(bundle: Path, target: Path, version: str) -> Path:
    """A copy of the bundle that says it is another version."""
    shutil.copytree(bundle, target)
    (target / "VERSION").write_text(version + "\n")
    summed(target)
    return target
