"""The page in a headless Chromium that reaches nothing but this machine: figures are drawn, names stay text."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cadvisor_lite.containers import Container
from cadvisor_lite.main import CadvisorLite

NAME = '"><img src=x onerror="document.title=1">'


def shown(url: str, directory: Path, width: int) -> str:
    """The document after its script has run for a while."""
    chromium = shutil.which("chromium")
    assert chromium is not None, "chromium is not installed; run scripts/setup-host --tests"
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--window-size={width},1000"]
    flags += ["--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", f"--user-data-dir={directory}"]
    # Where it leaves a socket and a link when it ends.
    with tempfile.TemporaryDirectory(prefix="chromium.", ignore_cleanup_errors=True) as own:
        done = subprocess.run(
            [chromium, *flags, "--virtual-time-budget=9000", "--dump-dom", url],
            capture_output=True, text=True, timeout=90, env={**os.environ, "TMPDIR": own},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("width", [1300, 400])
def test_machine_and_containers_are_drawn_and_a_hostile_name_is_text(
    width: int, start_cadvisor: Callable[..., CadvisorLite], recorded_containers: list[Container], tmp_path: Path
) -> None:
    recorded = shutil.copytree(Path(__file__).parent / "recorded/v2", tmp_path / "v2")
    cadvisor = start_cadvisor(recorded, docker_host=f"unix://{tmp_path / 'none.sock'}")
    hostile = {**recorded_containers[1].labels, "io.kubernetes.container.name": NAME}
    cadvisor.monitor.put(recorded_containers[0])
    cadvisor.monitor.put(replace(recorded_containers[1], labels=hostile))
    page = shown(f"http://127.0.0.1:{cadvisor.port}/", tmp_path / "browser", width)
    assert "live · up" in page
    assert re.search(r'<path class="line memory" d="M[\d. L]+', page)
    assert "default / redis-master-x1" in page
    assert page.count("<meter") == 1
    assert "&lt;img src=x onerror=" in page
    assert "<img" not in page.replace("&lt;img", "")
    if width == 400:
        return
    name = next(t.cgroup.name for t in cadvisor.monitor.all_tracked() if t.container and t.container.id == "2e" * 32)
    one = shown(f"http://127.0.0.1:{cadvisor.port}/containers{name}", tmp_path / "browser2", width)
    assert "80.0 MiB" in one
    assert "<dt>processes</dt><dd>2, with 4 threads</dd>" in one
    assert "of 0.5 cores" in one
