"""The whole command on two hosts made of network namespaces: one that is well, and one with every fault at once."""

import datetime
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from master.certificates import make_ca, make_key
from tests.hosts.namespaces import Space

ROOT = Path(__file__).parents[2]
# A master whose clock is ten minutes ahead.
MASTER = """
import http.server, email.utils, time
class Ahead(http.server.BaseHTTPRequestHandler):
    def date_time_string(self, timestamp=None):
        return email.utils.formatdate(time.time() + 600, usegmt=True)
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *said): pass
server = http.server.HTTPServer(("127.0.0.1", 6443), Ahead)
print("up", flush=True)
server.serve_forever()
"""


def doctor(host: Space, *flags: str) -> tuple[int, str]:
    """Exit code and output."""
    command = (*host.prefix, sys.executable, "-m", "cli.steersman", "doctor", *flags)
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


def findings(output: str) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for one in json.loads(output)["checks"]:
        found.setdefault(one["check"], []).append(one)
    return found


@pytest.fixture(scope="module")
def sick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, dict[str, list[dict[str, str]]]]]:
    """What is told of a host on which nothing is right."""
    folder = tmp_path_factory.mktemp("sick")
    host = Space(f"steer-sick-{folder.name[-6:].strip('_')}-{id(folder) % 10000}")
    process: subprocess.Popen[bytes] | None = None
    try:
        host.make()
        process = make_sick(host, folder)
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        flags = (f"--root={folder}", f"--docker-host=unix://{folder}/docker.sock", "--bridge=pods0", "-o", "json")
        code, output = doctor(host, *flags)
        yield code, findings(output)
    finally:
        if process is not None:
            process.kill()
            process.communicate(timeout=10)
        host.remove()


def make_sick(host: Space, folder: Path) -> "subprocess.Popen[bytes]":
    """Every fault that a namespace can have, and files of a cluster whose CA has ended."""
    host("ip", "link", "add", "pods0", "type", "bridge")
    host("ip", "link", "add", "office0", "type", "bridge")
    host("ip", "address", "add", "10.96.200.1/24", "dev", "office0")
    host("ip", "link", "set", "office0", "up")
    host("iptables-nft", "-P", "FORWARD", "DROP")
    host("iptables-nft", "-A", "INPUT", "-i", "lo", "-j", "ACCEPT")
    host("iptables-nft", "-A", "INPUT", "-j", "REJECT")
    host("iptables-nft", "-t", "nat", "-N", "DOCKER")
    host("iptables-nft", "-t", "nat", "-A", "OUTPUT", "-j", "DOCKER")
    host("iptables-legacy", "-t", "nat", "-N", "STEER-OUTPUT")
    host("iptables-legacy", "-t", "nat", "-A", "OUTPUT", "-j", "STEER-OUTPUT")
    host("sysctl", "-q", "-w", "net.ipv4.ip_forward=0")
    config = folder / "etc/steersman"
    (config / "pki").mkdir(parents=True)
    ended = make_ca("ended", make_key(), now=datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC))
    (config / "pki/ca.crt").write_bytes(ended.certificate_pem())
    (config / "dns.yaml").write_text(yaml.safe_dump({"upstreams": ["169.254.20.10"]}))
    (config / "admin.kubeconfig").write_text(yaml.safe_dump(kubeconfig("http://127.0.0.1:6443")))
    return subprocess.Popen([*host.prefix, sys.executable, "-c", MASTER], stdout=subprocess.PIPE)


def kubeconfig(server: str) -> dict[str, Any]:
    return {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }


@pytest.mark.netns
@pytest.mark.parametrize(
    ("check", "message"),
    [
        ("ip forwarding", "off: pods reach neither"),
        ("iptables flavours", "the order in which both act"),
        ("firewall forward", "FORWARD has the policy DROP"),
        ("firewall input", "pods reach neither services nor names"),
        ("pod and service ranges", "service-cidr 10.96.0.0/16 overlaps the route 10.96.200.0/24 over office0"),
        ("ports", "the API server's 0.0.0.0:6443 is taken: python"),
        ("docker", "the daemon does not run"),
        ("host's resolvers", "a ring"),
        ("certificates", "ca.crt ended"),
        ("clock", "600 s behind the API server's"),
    ],
)
def test_each_fault_is_found_and_there_is_something_to_do(
    sick: tuple[int, dict[str, list[dict[str, str]]]], check: str, message: str
) -> None:
    code, found = sick
    assert code == 1
    failed = [one for one in found[check] if one["result"] == "fail"]
    assert any(message in one["message"] for one in failed), found[check]
    assert all(one["advice"] for one in failed)


@pytest.mark.netns
def test_a_host_that_is_well_has_no_failure(tmp_path: Path) -> None:
    host = Space(f"steer-well-{id(tmp_path) % 100000}")
    try:
        host.make()
        host("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
        code, output = doctor(host, f"--root={tmp_path}")
        lines = {line.split("  ")[0]: line for line in output.splitlines()}
        for check in ("ip forwarding", "iptables flavours", "pod and service ranges", "ports", "certificates"):
            assert " ok " in lines[check], output
        assert "no cluster on this host yet" in lines["api server"]
        # Docker and the disk are the machine's: whatever they are, the code says it.
        assert code == (0 if " 0 failed" in output.splitlines()[-1] else 1)
        assert list(tmp_path.iterdir()) == []
    finally:
        host.remove()
