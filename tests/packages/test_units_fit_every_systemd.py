"""Units: verified by systemd, and written in words that systemd 219 (CentOS 7) knows; newer words are drop-ins."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cli.components import COMPONENTS
from tests.packages.conftest import ROOT, install

UNITS = ROOT / "systemd"
PLAIN = sorted(one for one in UNITS.iterdir() if one.is_file())

# What systemd 219 knows of the sections that we use (src/core/load-fragment-gperf.gperf.m4 of that version; names that
# only one distribution added later are left out).
KNOWN_219 = {
    "Unit": """Description Documentation Requires Requisite Wants BindsTo Conflicts Before After OnFailure
        PropagatesReloadTo ReloadPropagatedFrom PartOf JoinsNamespaceOf RequiresMountsFor StopWhenUnneeded
        RefuseManualStart RefuseManualStop AllowIsolate DefaultDependencies JobTimeoutSec
        ConditionPathExists ConditionPathIsDirectory ConditionFileIsExecutable ConditionVirtualization
        AssertPathExists AssertFileIsExecutable""",
    "Service": """PIDFile ExecStartPre ExecStart ExecStartPost ExecReload ExecStop ExecStopPost RestartSec TimeoutSec
        TimeoutStartSec TimeoutStopSec WatchdogSec StartLimitInterval StartLimitBurst StartLimitAction
        FailureAction Type Restart PermissionsStartOnly RemainAfterExit GuessMainPID
        RestartPreventExitStatus RestartForceExitStatus SuccessExitStatus NonBlocking FileDescriptorStoreMax
        NotifyAccess Sockets WorkingDirectory RootDirectory User Group SupplementaryGroups Nice
        OOMScoreAdjust IOSchedulingClass IOSchedulingPriority CPUSchedulingPolicy CPUAffinity UMask
        Environment EnvironmentFile StandardInput StandardOutput StandardError SyslogIdentifier
        SyslogFacility SyslogLevel SyslogLevelPrefix SecureBits CapabilityBoundingSet TimerSlackNSec
        NoNewPrivileges SystemCallFilter SystemCallArchitectures SystemCallErrorNumber
        RestrictAddressFamilies LimitCPU LimitFSIZE LimitDATA LimitSTACK LimitCORE LimitNOFILE LimitAS
        LimitNPROC LimitMEMLOCK ReadWriteDirectories ReadOnlyDirectories InaccessibleDirectories PrivateTmp
        PrivateNetwork PrivateDevices ProtectSystem ProtectHome MountFlags RuntimeDirectoryMode
        RuntimeDirectory KillMode KillSignal SendSIGHUP SendSIGKILL Slice CPUAccounting CPUShares CPUQuota
        MemoryAccounting MemoryLimit DeviceAllow DevicePolicy BlockIOAccounting BlockIOWeight Delegate""",
    "Slice": "Slice CPUAccounting CPUShares CPUQuota MemoryAccounting MemoryLimit BlockIOAccounting BlockIOWeight",
    "Install": "Alias WantedBy RequiredBy Also DefaultInstance",
}
# 219 takes `full` of ProtectSystem, `read-only` of ProtectHome; "strict" came with 232.
VALUES_219 = {"ProtectSystem": {"yes", "no", "full"}, "ProtectHome": {"yes", "no", "read-only"}}


def read(file: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(file.read_text())
    return parser


@pytest.mark.parametrize("file", [*PLAIN, *sorted(UNITS.glob("until-230/*/*"))], ids=lambda one: one.name)
def test_a_unit_uses_only_what_219_knows(file: Path) -> None:
    parser = read(file)
    for section in parser.sections():
        for name, value in parser.items(section):
            assert name in KNOWN_219[section].split(), f"{file.name}: [{section}] {name}"
            assert value in VALUES_219.get(name, {value}), f"{file.name}: {name}={value}"


@pytest.mark.parametrize("file", sorted(UNITS.glob("since-*/*/*")), ids=lambda one: f"{one.parent.name}-{one.name}")
def test_a_drop_in_for_newer_ones_belongs_to_a_unit(file: Path) -> None:
    assert (UNITS / file.parent.name.removesuffix(".d")).is_file()
    assert re.fullmatch(r"since-\d{3}", file.parent.parent.name)


def test_every_component_has_a_unit_of_its_target() -> None:
    wanted = {one.name for one in COMPONENTS}
    assert {one.stem.removeprefix("steersman-") for one in PLAIN if one.suffix == ".service"} == wanted
    for name in wanted:
        parser = read(UNITS / f"steersman-{name}.service")
        (target,) = parser["Install"]["WantedBy"].split()
        assert parser["Unit"]["PartOf"] == target
        assert f"steersman-{name}.service" in read(UNITS / target)["Unit"]["Wants"].split()
        assert parser["Service"]["ExecStart"].split()[1:] == [name, "--config", f"/etc/steersman/{name}.yaml"]
        assert parser["Service"]["Type"] == "notify"
        assert parser["Service"]["Slice"] == "steersman.slice"
        if name != "cadvisor":  # which sees to it by itself
            assert parser["Service"]["Environment"] == "MALLOC_ARENA_MAX=1"


def test_systemd_finds_no_fault(slim: Path, root: Path) -> None:
    install(slim, root)
    (root / "bin").mkdir()
    shutil.copy("/bin/kill", root / "bin/kill")
    shutil.copytree("/usr/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
    units = sorted((root / "etc/systemd/system").glob("steersman*.*"))
    verified = subprocess.run(
        ["systemd-analyze", "verify", f"--root={root}", "--man=no", *(one for one in units if one.is_file())],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    ours = [line for line in verified.stderr.splitlines() if "steersman" in line]
    assert ours == []
    assert verified.returncode == 0, verified.stderr
