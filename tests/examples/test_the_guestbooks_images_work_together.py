"""The three images on a Docker network of the test's own: writes reach the master, reads come from the slave."""

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.e2e.waiting import until

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.docker


@dataclass(frozen=True)
class Site:
    """A running guestbook."""

    address: str
    slave: Any
    front: Any

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.address}{path}", timeout=5) as answer:
            return answer

    def text(self, path: str = "") -> str:
        with urllib.request.urlopen(f"{self.address}{path}", timeout=5) as answer:
            return str(answer.read().decode())

    def messages(self) -> str:
        return str(json.loads(self.text("guestbook.php?cmd=get&key=messages"))["data"])

    def sign(self, message: str) -> None:
        body = urllib.parse.urlencode({"message": message}).encode()
        with urllib.request.urlopen(self.address, data=body, timeout=5) as answer:
            assert answer.status == 200  # after the redirect to the page


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    subprocess.run([ROOT / "examples/guestbook/images.sh"], check=True, capture_output=True, timeout=170)
    client = docker.from_env()
    name = f"guestbook-{uuid.uuid4().hex[:8]}"
    started: list[Any] = []
    network = client.networks.create(name)

    def run(image: str, **environment: str) -> Any:
        one = client.containers.run(image, detach=True, network=name, environment=environment)
        started.append(one)
        one.reload()
        return one

    def address(container: Any) -> str:
        return str(container.attrs["NetworkSettings"]["Networks"][name]["IPAddress"])

    try:
        master = run("kubeguide/redis-master")
        by_variables = {"GET_HOSTS_FROM": "env", "REDIS_MASTER_SERVICE_HOST": address(master)}
        slave = run("kubeguide/guestbook-redis-slave", **by_variables)
        front = run("kubeguide/guestbook-php-frontend", **by_variables, REDIS_SLAVE_SERVICE_HOST=address(slave))
        found = Site(f"http://{address(front)}/", slave, front)
        until(lambda: answers(found))
        until(lambda: b"master_link_status:up" in slave.exec_run(["redis-cli", "info", "replication"]).output)
        yield found
    finally:
        for one in started:
            one.remove(force=True, v=True)
        network.remove()
        client.close()


def answers(site: Site) -> bool:
    try:
        return site.text("healthz") == "ok\n"
    except OSError:
        return False


def test_a_message_written_to_the_master_is_read_from_the_slave(site: Site) -> None:
    assert json.loads(site.text("guestbook.php?cmd=set&key=messages&value=,hello")) == {"message": "Updated"}
    until(lambda: site.messages() == ",hello")
    site.sign("a <b>bold</b> word, ${pod} and 100% Grüße")
    until(lambda: "bold" in site.messages())
    page = site.text()
    assert "<li>a &lt;b&gt;bold&lt;/b&gt; word, ${pod} and 100% Grüße</li>" in page
    assert page.index("bold") < page.index("<li>hello</li>")  # the newest first


def test_every_answer_names_its_pod(site: Site) -> None:
    host = site.front.attrs["Config"]["Hostname"]
    assert site.get("").headers["X-Served-By"] == host
    assert site.get("healthz").headers["X-Served-By"] == host
    assert host in site.text()


def test_a_slave_refuses_to_be_written_to(site: Site) -> None:
    assert b"READONLY" in site.slave.exec_run(["redis-cli", "set", "a", "b"]).output


@pytest.mark.parametrize(
    ("path", "status"), [("nope", 404), ("guestbook.php?cmd=drop", 400), ("guestbook.php?cmd=set&key=a", 400)]
)
def test_a_wrong_call_is_refused(site: Site, path: str, status: int) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        site.text(path)
    with caught.value as error:
        assert error.code == status


def test_a_slave_without_a_master_says_what_to_do() -> None:
    client = docker.from_env()
    try:
        with pytest.raises(docker.errors.ContainerError, match="create the service redis-master"):
            client.containers.run(
                "kubeguide/guestbook-redis-slave",
                environment={"GET_HOSTS_FROM": "env"},
                network_mode="none",
                remove=True,
                stderr=True,
            )
    finally:
        client.close()


def test_images_that_are_current_are_not_built_again(site: Site) -> None:
    result = subprocess.run(
        [ROOT / "examples/guestbook/images.sh"], check=True, capture_output=True, text=True, timeout=60
    )
    assert "present and current" in result.stdout


def test_containers_stop_at_once_when_asked(site: Site) -> None:
    begin = time.monotonic()
    site.slave.restart(timeout=45)  # what takes no notice of TERM is killed then
    site.front.restart(timeout=45)
    assert time.monotonic() - begin < 45
