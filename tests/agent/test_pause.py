"""The pause program, made of bytes."""

import signal
import struct
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker.api import APIClient

from agent.node.facts import architecture
from agent.runtime.pause import IMAGE_CHANGES, pause_program, pause_rootfs
from tests.e2e.waiting import until


@pytest.mark.parametrize(("name", "machine"), [("amd64", 62), ("arm64", 183)])
def test_the_program_is_a_static_elf_file(name: str, machine: int) -> None:
    program = pause_program(name)
    assert program[:5] == b"\x7fELF\x02"
    assert struct.unpack_from("<HH", program, 16) == (2, machine)
    assert len(program) < 512


def test_another_architecture_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="riscv64"):
        pause_program("riscv64")


def test_the_arm_program_says_what_its_listing_says() -> None:
    code = pause_program("arm64")[120:-40]
    words = struct.unpack(f"<{len(code) // 4}I", code)
    assert len(words) == 26
    calls = [word >> 5 & 0xFFFF for word in words if word & 0xFFE0001F == 0xD2800008]
    assert calls == [134, 135, 137, 94]
    assert words.count(0xD4000001) == 4


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "pause"
    path.write_bytes(pause_program(architecture()))
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_on_term_and_int_with_code_0(program: Path, number: int) -> None:
    with subprocess.Popen([program]) as process:
        until(lambda: "pause" in Path(f"/proc/{process.pid}/comm").read_text())
        until(lambda: "sigtimedwait" in Path(f"/proc/{process.pid}/wchan").read_text() or _sleeps(process.pid))
        process.send_signal(number)
        assert process.wait(1) == 0


def _sleeps(pid: int) -> bool:
    return "State:\tS" in Path(f"/proc/{pid}/status").read_text()


@pytest.fixture
def pause_image(docker_client: APIClient) -> Iterator[str]:
    name = f"steersman-test/pause:{uuid.uuid4().hex[:12]}"
    repository, _, tag = name.partition(":")
    rootfs = pause_rootfs(architecture())
    docker_client.import_image_from_data(rootfs, repository=repository, tag=tag, changes=list(IMAGE_CHANGES))
    yield name
    docker_client.remove_image(name, force=True)


@pytest.mark.docker
def test_as_pid_1_it_reaps_orphans_and_ends_at_once(docker_client: APIClient, pause_image: str, image: str) -> None:
    pause = docker_client.create_container(pause_image)["Id"]
    try:
        docker_client.start(pause)
        pid = docker_client.inspect_container(pause)["State"]["Pid"]
        resident = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmRSS" in line)
        assert int(resident.split()[1]) < 100
        host = docker_client.create_host_config(pid_mode=f"container:{pause}")
        # The shell ends first: its child becomes an orphan of PID 1, and ends too.
        leaving = docker_client.create_container(image, ["sh", "-c", "sleep 0.2 & exit"], host_config=host)["Id"]
        docker_client.start(leaving)
        docker_client.wait(leaving, timeout=10)
        until(lambda: Path(f"/proc/{pid}/task/{pid}/children").read_text() == "")
        docker_client.remove_container(leaving, force=True)
        docker_client.kill(pause, "SIGTERM")
        assert docker_client.wait(pause, timeout=1)["StatusCode"] == 0
    finally:
        docker_client.remove_container(pause, force=True)
