"""Starting, stopping, coming back: what was acknowledged is there, and events do not pile up."""

import json
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import urllib3
from tests_apiserver import Api, Running, free_port

from client.kubeconfig import load_kubeconfig
from master import pki
from master.apiserver.config import Config
from master.apiserver.main import run
from tests.e2e.waiting import until

CONFIGS = "/api/v1/namespaces/default/configmaps"


def test_state_and_versions_go_on_after_a_restart(
    new_server: Callable[..., Running], as_user: Callable[[Running, str], Api]
) -> None:
    first = new_server()
    made = as_user(first, "admin").post(CONFIGS, {"metadata": {"name": "c"}, "data": {"a": "b"}})
    first.stop()
    again = as_user(new_server(data_dir=first.config.data_dir), "admin")
    assert again.get(f"{CONFIGS}/c").data == made.data
    later = again.post(CONFIGS, {"metadata": {"name": "d"}}).json["metadata"]["resourceVersion"]
    assert int(later) > int(made.json["metadata"]["resourceVersion"])


def test_a_stop_under_load_loses_no_accepted_write(
    new_server: Callable[..., Running], as_user: Callable[[Running, str], Api]
) -> None:
    first = new_server()
    api, accepted = as_user(first, "admin"), []
    enough = threading.Event()

    def write(worker: int) -> None:
        for n in range(10_000):
            try:
                made = api.post(CONFIGS, {"metadata": {"name": f"c-{worker}-{n}"}})
            except urllib3.exceptions.HTTPError:
                return
            if made.status != 201:
                return
            accepted.append(made.json["metadata"]["name"])
            if len(accepted) > 100:
                enough.set()

    with ThreadPoolExecutor(4) as pool:
        for worker in range(4):
            pool.submit(write, worker)
        assert enough.wait(10)
        first.stop()
    again = as_user(new_server(data_dir=first.config.data_dir), "admin")
    there = {item["metadata"]["name"] for item in again.get(CONFIGS).json["items"]}
    assert set(accepted) <= there


def test_a_stop_ends_watches_cleanly(
    new_server: Callable[..., Running], as_user: Callable[[Running, str], Api]
) -> None:
    server = new_server()
    api = as_user(server, "admin")
    watch = api.watch("/api/v1/namespaces?watch=1")
    assert len(watch.take(4)) == 4
    begun = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        stopped = pool.submit(server.stop)
        assert watch.next() is None
        assert time.monotonic() - begun < 1
        api.streams.pop().close()
        stopped.result(10)


def test_events_are_dropped_when_their_time_is_over(server: Running, admin: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/events"
    for name in ("renewed", "old"):
        body = {"metadata": {"name": name}, "involvedObject": {"kind": "Pod", "namespace": namespace}, "reason": "x"}
        assert admin.post(path, body).status == 201
    expiry = server.api.event_expiry
    expiry._written = OrderedDict.fromkeys(expiry._written, time.time() - 3601)
    assert admin.patch(f"{path}/renewed", {"count": 2}, "merge").status == 200
    assert server.do(expiry.expire(time.time())) >= 1
    assert [item["metadata"]["name"] for item in admin.get(path).json["items"]] == ["renewed"]


def test_the_process_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    port, plain = free_port(), free_port()
    config = Config(
        bind_address="127.0.0.1",
        secure_port=port,
        insecure_port=plain,
        data_dir=tmp_path / "data",
        config_dir=tmp_path / "etc",
        shutdown_grace_s=2.0,
    )
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(run, config, stop)
        try:
            kubeconfig = until(lambda: done.done() or (tmp_path / "etc" / "admin.kubeconfig").exists())
            assert kubeconfig
            assert not done.done(), done.result()
            context = load_kubeconfig(tmp_path / "etc" / "admin.kubeconfig").ssl_context()
            with urllib3.PoolManager(ssl_context=context, retries=False) as secure:
                until(lambda: _answers(secure, f"https://127.0.0.1:{port}/api/v1/nodes"))
            with urllib3.PoolManager(retries=False) as open_to_all:
                assert _answers(open_to_all, f"http://127.0.0.1:{plain}/api/v1/nodes")
        finally:
            stop.set()
        done.result(10)


def _answers(pool: urllib3.PoolManager, url: str) -> bool:
    try:
        return pool.request("GET", url, timeout=5).status == 200
    except urllib3.exceptions.HTTPError:
        return False


_PROCESS = """
import sys, threading
from pathlib import Path
from master.apiserver.config import Config
from master.apiserver.main import run
secure, plain, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
run(Config(bind_address="127.0.0.1", secure_port=secure, insecure_port=plain, data_dir=folder / "data",
           config_dir=folder / "etc"), threading.Event())
"""


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    """Three rounds of writing until the process is killed; then all that was answered with 201 is there."""
    plain, accepted = free_port(), []
    url = f"http://127.0.0.1:{plain}"

    def write(worker: str) -> None:
        for n in range(10_000):
            name = f"{worker}-{n}"
            try:
                made = pool.request("POST", f"{url}{CONFIGS}", body=json.dumps({"metadata": {"name": name}}))
            except urllib3.exceptions.HTTPError:
                return
            if made.status == 201:
                accepted.append(name)

    def found() -> set[str]:
        items = pool.request("GET", f"{url}{CONFIGS}").json()["items"]
        return {item["metadata"]["name"] for item in items}

    with urllib3.PoolManager(maxsize=8, retries=False) as pool:
        for life in range(3):
            arguments = [sys.executable, "-c", _PROCESS, str(free_port()), str(plain), str(tmp_path)]
            process = subprocess.Popen(arguments, cwd=Path(__file__).parents[2])
            try:
                until(lambda: _answers(pool, f"{url}/readyz"))
                assert set(accepted) <= found()
                goal = len(accepted) + 100
                with ThreadPoolExecutor(4) as writers:
                    for worker in range(4):
                        writers.submit(write, f"c-{life}-{worker}")
                    until(lambda least=goal: len(accepted) >= least)
                    process.kill()
            finally:
                process.kill()
                process.wait(10)


def test_settings_that_make_no_sense_are_named(certificates: pki.Pki, tmp_path: Path) -> None:
    config = Config(
        secure_port=70000,
        bind_address="here",
        service_cluster_ip_range="10.0.0.1/16",
        service_node_port_range="9-1",
        tls_cert_file=tmp_path / "x",
        watch_queue=0,
    )
    named = {problem.partition(":")[0] for problem in config.check()}
    assert named == {
        "secure_port",
        "bind_address",
        "service_cluster_ip_range",
        "service_node_port_range",
        "tls_cert_file",
        "watch_queue",
    }
    with pytest.raises(ValueError, match="secure_port"):
        run(config, threading.Event())


_START = """
import asyncio, contextlib, sys
from pathlib import Path
from cli.steersman import main
from master.apiserver.config import Config
from master.apiserver.server import Apiserver
config = Config(bind_address="127.0.0.1", secure_port=0, data_dir=Path(sys.argv[2]), config_dir=Path(sys.argv[1]))
with contextlib.redirect_stdout(None):
    assert main(["apiserver", "--check-config"]) == 0
async def start():
    server = Apiserver(config)
    await server.start()
    print(*(name for name in sys.argv[3:] if name in sys.modules))
    await server.stop()
asyncio.run(start())
"""


def test_a_start_loads_no_library_that_hardly_any_request_needs(certificates: pki.Pki, tmp_path: Path) -> None:
    """They took half of the time until the first answer, and a third of the memory."""
    seldom = ["cryptography", "prometheus_client", "urllib3", "yaml", "email", "master.store.etcd"]
    seldom += ["shutil", "pickle", "unicodedata"]
    arguments = [sys.executable, "-c", _START, str(certificates.directory), str(tmp_path), *seldom, "msgspec"]
    done = subprocess.run(arguments, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["msgspec"]
