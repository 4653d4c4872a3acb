"""Whole hosts on this one: a Debian directory booted by systemd-nspawn, each with its own systemd, sshd and dockerd.

They share one segment, a bridge in a network namespace of its own, so that the rules of this machine do not touch them
and all of the network goes with the namespace. Each lives in cgroups of its own. A host's root is an overlay over the
directory that `scripts/test-hosts` makes; Docker's data lies beside it, for an overlay cannot carry another.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.waiting import until

ROOT = Path(__file__).parents[2]
BRIDGE = "segment0"
BOOT_LIMIT_S = 90.0
RESTART_CODE = 133  # EXIT_FORCE_RESTART of systemd-nspawn(1)
CONTROLLERS = ("memory", "cpu", "cpuacct", "cpuset", "devices", "freezer", "blkio", "pids")
# What a machine of metal has before systemd's network is up: an address, and cgroups that may be written.
PREPARE = """[Unit]
DefaultDependencies=no
Before=network-pre.target docker.service sshd.service sysinit.target
Wants=network-pre.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -ec 'for c in {controllers}; do mount -o remount,bind,rw /sys/fs/cgroup/$c; done'
ExecStart=ip address replace {address}/24 dev host0
ExecStart=ip link set host0 up
ExecStart=ip route replace default via {gateway}
[Install]
WantedBy=sysinit.target
"""


def run(*command: object, limit_s: float = 60, check: bool = True) -> str:
    """The output of a command; AssertionError with all it said when it fails."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=limit_s, check=False)
    assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@dataclass
class Segment:
    """The network that the hosts share, and this side's end of it."""

    name: str
    net: str  # the first three numbers of its addresses

    @property
    def gateway(self) -> str:
        return f"{self.net}.1"

    @property
    def prefix(self) -> tuple[str, ...]:
        return ("nsenter", f"--net=/run/netns/{self.name}")

    @property
    def control_folder(self) -> Path:
        """Where the control sockets of ssh lie: their path is short of room, 108 bytes."""
        return Path("/tmp", self.name)

    def make(self) -> None:
        run("ip", "netns", "add", self.name)
        inside = ("ip", "-n", self.name)
        run(*inside, "link", "set", "lo", "up")
        run(*inside, "link", "add", BRIDGE, "type", "bridge")
        run(*inside, "address", "add", f"{self.gateway}/24", "dev", BRIDGE)
        run(*inside, "link", "set", BRIDGE, "up")

    def __call__(self, *command: object, limit_s: float = 60, check: bool = True) -> str:
        return run(*self.prefix, *command, limit_s=limit_s, check=check)

    def remove(self) -> None:
        run("ip", "netns", "del", self.name, check=False)
        shutil.rmtree(self.control_folder, ignore_errors=True)


@dataclass
class Machine:
    """One host."""

    name: str
    number: int
    segment: Segment
    folder: Path
    image: Path
    key: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        return f"{self.segment.net}.{10 + self.number}"

    @property
    def unique(self) -> str:
        """Of the whole machine: two runs of the tests do not meet."""
        return f"{self.segment.name}-{self.name}"

    @property
    def root(self) -> Path:
        return self.folder / "root"

    def make(self) -> None:
        for name in ("root", "upper", "work", "docker"):
            (self.folder / name).mkdir(parents=True)
        layers = f"lowerdir={self.image},upperdir={self.folder}/upper,workdir={self.folder}/work"
        run("mount", "-t", "overlay", "-o", layers, f"steersman-{self.unique}", self.root)
        (self.root / "etc/hostname").write_text(f"{self.name}\n", encoding="ascii")
        (self.root / "etc/hosts").write_text(f"127.0.0.1 localhost\n{self.address} {self.name}\n", encoding="ascii")
        self._prepare()
        run("ssh-keygen", "-q", "-A", "-f", self.root)
        private = self.root / "root/.ssh"
        private.mkdir(mode=0o700, exist_ok=True)
        shutil.copy(self.key.with_suffix(".pub"), private / "authorized_keys")
        self._make_cgroups()

    def _prepare(self) -> None:
        unit = self.root / "etc/systemd/system/test-machine.service"
        told = {"controllers": " ".join(CONTROLLERS), "address": self.address, "gateway": self.segment.gateway}
        unit.write_text(PREPARE.format(**told), encoding="ascii")
        wanted = unit.parent / "sysinit.target.wants"
        wanted.mkdir(exist_ok=True)
        (wanted / unit.name).symlink_to(f"../{unit.name}")

    def _make_cgroups(self) -> None:
        for folder in self._cgroups():
            folder.mkdir()
            for name in ("cpuset.cpus", "cpuset.mems"):
                if (folder / name).exists():
                    (folder / name).write_text((folder.parent / name).read_text(), encoding="ascii")

    def _cgroups(self) -> list[Path]:
        places = [Path("/sys/fs/cgroup", name) for name in (*CONTROLLERS, "systemd", "unified")]
        return [place / f"steersman-{self.unique}" for place in places if place.is_dir()]

    def boot(self) -> None:
        """Start it and wait until it can be reached by ssh."""
        self.start()
        self.wait_for_ssh()

    def start(self) -> None:
        command = [
            *self.segment.prefix, "systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit",
            f"--directory={self.root}", f"--machine={self.name}", f"--network-bridge={BRIDGE}",
            f"--bind={self.folder}/docker:/var/lib/docker", "--capability=all", "--private-users=no",
            "--system-call-filter=@keyring bpf add_key keyctl", "--resolv-conf=off", "--timezone=off",
            "--link-journal=no", "--console=pipe",
        ]  # fmt: skip
        groups = [folder / "cgroup.procs" for folder in self._cgroups()]

        def move() -> None:
            for group in groups:
                group.write_text(str(os.getpid()), encoding="ascii")

        with (self.folder / "console").open("ab") as console:
            self._process = subprocess.Popen(
                command, preexec_fn=move, stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                start_new_session=True, env={**os.environ, "SYSTEMD_NSPAWN_LOCK": "0", "container": ""},
            )  # fmt: skip

    def wait_for_ssh(self) -> None:
        until(lambda: self.try_it("true").returncode == 0, limit_s=BOOT_LIMIT_S, what=f"ssh; see {self.folder}/console")

    @property
    def ssh_options(self) -> tuple[str, ...]:
        return (
            "-i", str(self.key), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
            "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=5", "-o", "BatchMode=yes",
        )  # fmt: skip

    def try_it(self, command: str, *, limit_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a line of shell on it, over ssh."""
        ssh = [*self.segment.prefix, "ssh", *self.ssh_options, f"root@{self.address}", command]
        return subprocess.run(
            ssh, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit_s, check=False
        )

    def __call__(self, command: str, *, limit_s: float = 60) -> str:
        done = self.try_it(command, limit_s=limit_s)
        assert done.returncode == 0, f"{self.name}: {command}: {done.stdout}{done.stderr}"
        return done.stdout

    def reboot(self) -> None:
        """As an operator does. nspawn that keeps its unit ends with a code that asks for a new start."""
        process = self._process
        assert process is not None
        self.try_it("systemctl reboot")
        assert process.wait(BOOT_LIMIT_S) == RESTART_CODE, f"see {self.folder}/console"
        self.boot()

    def stop(self) -> None:
        """Pull the plug."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)  # nspawn ends all that is in the container
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)

    def remove(self) -> None:
        """Whatever state it is in."""
        self.stop()
        self._end_left()
        for folder in self._cgroups():
            self._remove_cgroup(folder)
        run("umount", "-l", self.root, check=False)
        run("rm", "-rf", "--one-file-system", self.folder, limit_s=120)

    def _end_left(self) -> None:
        """A process that is still in our cgroup: nothing else ever gets there."""
        for folder in self._cgroups():
            for procs in folder.rglob("cgroup.procs"):
                for pid in procs.read_text().split():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)

    def _remove_cgroup(self, folder: Path) -> None:
        if not folder.is_dir():
            return

        def empty() -> bool:
            for place in sorted([*folder.rglob("*/")], key=lambda one: len(one.parts), reverse=True):
                if place.is_dir():
                    try:
                        place.rmdir()
                    except OSError:  # its last process is on its way out
                        return False
            try:
                folder.rmdir()
            except OSError:
                return False
            return True

        until(empty, limit_s=20, what=f"{folder} empty")


def make_key(folder: Path) -> Path:
    """A key pair for ssh."""
    key = folder / "id_ed25519"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    return key


def suite() -> str:
    """The release that the hosts are of, as STEERSMAN_TEST_SUITE has it; empty: that of this machine."""
    return os.environ.get("STEERSMAN_TEST_SUITE", "")


def image() -> Path:
    """The directory that all hosts are made of; made now where it is not there yet."""
    said = ("--suite", suite()) if suite() else ()
    return Path(run(ROOT / "scripts/test-hosts", *said, limit_s=1200).strip())


@contextlib.contextmanager
def booted(folder: Path, letter: str, names: Sequence[str]) -> Iterator[list[Machine]]:
    """Hosts on a segment of their own, named after this process (see leftovers.py); all goes, however this ends."""
    segment = Segment(f"st{letter}{os.getpid()}", f"198.19.{os.getpid() % 200 + 20}")
    key, base = make_key(folder), image()
    machines = [Machine(name, number, segment, folder / name, base, key) for number, name in enumerate(names, 1)]
    with contextlib.ExitStack() as stack:
        stack.callback(segment.remove)
        segment.make()
        for machine in machines:
            stack.callback(machine.remove)
            machine.make()
            machine.start()
        for machine in machines:
            machine.wait_for_ssh()
        yield machines
