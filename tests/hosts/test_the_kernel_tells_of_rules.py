"""Which news of rules wake the one who keeps ours: the kernel's own messages, of rules written in a namespace."""

import os
import sys
from collections.abc import Iterator

import pytest

from agent.network import firewall
from client import rule_news
from tests.hosts.namespaces import ROOT, Space

pytestmark = pytest.mark.netns

_ASK = """
import subprocess
from client import rule_news

sock = rule_news.listen()
def heard(*command):
    subprocess.run(["iptables", *command], check=True)
    found, told = False, 0
    while True:
        try:
            found |= rule_news.concerns(sock.recv(65536), {b"FORWARD", b"OURS"})
            told += 1
        except BlockingIOError:
            return found if told else None
print([heard(*line.split()) for line in '''COMMANDS'''.splitlines()])
"""
_COMMANDS = {
    "-N OURS": False,
    "-N THEIRS": False,
    "-A OURS -j ACCEPT": False,
    "-A THEIRS -j ACCEPT": False,
    "-I FORWARD -j OURS": False,
    "-I FORWARD -j THEIRS": False,
    "-F THEIRS": False,
    "-F OURS": True,
    "-D FORWARD -j OURS": True,
    "-X OURS": True,
}


@pytest.fixture
def space() -> Iterator[Space]:
    made = Space(f"st-news-{os.getpid()}")
    made.make()
    try:
        yield made
    finally:
        made.remove()


def test_what_is_deleted_from_our_chains_is_heard_and_what_others_do_is_not(space: Space) -> None:
    if "nf_tables" not in space("iptables", "--version"):
        pytest.skip("the kernel tells nothing of legacy rules")
    ask = _ASK.replace("COMMANDS", "\n".join(_COMMANDS))
    told = space("env", f"--chdir={ROOT}", sys.executable, "-c", ask)
    assert told.strip() == str(list(_COMMANDS.values()))


@pytest.mark.parametrize("data", [b"", b"\0" * 64, b"\xff" * 64, b"\x14\0\0\0\x08\x0a" + bytes(14)])
def test_what_is_no_message_is_passed_over(data: bytes) -> None:
    assert not rule_news.concerns(data, {b"FORWARD"})


def test_an_iptables_that_gave_no_answer_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[str | firewall.FirewallError] = ["iptables v1.8.9 (nf_tables)", firewall.FirewallError("no answer")]

    def run(*_command: str) -> str:
        answer = answers.pop()
        if isinstance(answer, firewall.FirewallError):
            raise answer
        return answer

    monkeypatch.setattr(firewall, "_run", run)
    firewall._version.cache_clear()
    try:
        assert [firewall.over_nftables() for _ in range(3)] == [False, True, True]
    finally:
        firewall._version.cache_clear()
