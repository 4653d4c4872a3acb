"""The same words for kubectl and for steer, each in a namespace of its own, and what their answers differ in."""

import difflib
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

import pytest

from cli.steer.main import main
from tests.apiserver_clients.kubectls import NEW, Kubectl, binary

# What every object has of its own.
_OWN = re.compile(
    r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d:]+Z|(?<=resourceVersion": ")\d+'
    r'|(?<=resourceVersion: ")\d+'
)
# Output, complaints and exit code.
Answer = tuple[str, str, int]


class Both:
    """Calls both, kubectl in the first of the namespaces. ``NAMESPACE`` in the words is the one of either; neither it
    nor the name of the command is told apart in the answers, and with ``loose`` neither ages nor the width of columns
    nor what every object has of its own."""

    def __init__(
        self,
        spaces: tuple[str, str],
        kubeconfig: Path,
        folder: Path,
        capsys: pytest.CaptureFixture[str],
        *,
        loose: bool = False,
        generation: str = NEW,
    ) -> None:
        self.spaces = spaces
        self._theirs, self._ours = self.spaces
        self._kubectl = Kubectl(generation, binary(generation), kubeconfig, self._theirs, folder)
        self._kubeconfig, self._capsys, self._loose = kubeconfig, capsys, loose

    def create(self, manifest: str) -> None:
        """In either namespace, by kubectl."""
        for space in (self._theirs, self._ours):
            self._kubectl("create", "-f", "-", f"--namespace={space}", stdin=manifest)

    def kubectl(self, *words: str) -> Answer:
        done = self._kubectl.done(*(word.replace("NAMESPACE", self._theirs) for word in words))
        return self._alike(done.stdout, self._theirs), self._alike(done.stderr, self._theirs), done.returncode

    def steer(self, *words: str) -> Answer:
        said = [word.replace("NAMESPACE", self._ours) for word in words]
        code = main([f"--kubeconfig={self._kubeconfig}", "-n", self._ours, *said])
        out, err = self._capsys.readouterr()
        return self._alike(out, self._ours), self._alike(err, self._ours), code

    def _alike(self, text: str, space: str) -> str:
        text = text.replace("kubectl", "steer").replace("steer.kubernetes", "kubectl.kubernetes")
        text = text.replace(space, "NAMESPACE")
        if self._loose:
            text = _OWN.sub("OWN", text)
            text = re.sub(r" {2,}", "  ", re.sub(r"(?<![\w-])(\d+[ydhms])+\b", "AGE", text))
            text = re.sub(r" +$", "", text, flags=re.MULTILINE)
        return text

    def differ(self, line: str, words: list[str] | None = None) -> str:
        """How the answers to a line differ, as a diff; empty when they do not. ``words``: those of the line, when
        they are not simply split."""
        said = shlex.split(line) if words is None else words
        theirs, ours = self.kubectl(*said), self.steer(*said)
        if ours == theirs:
            return ""
        lines = [[*out.splitlines(), *err.splitlines(), f"exit {code}"] for out, err, code in (theirs, ours)]
        return "\n".join([f"== {line}", *difflib.unified_diff(*lines, "kubectl", "steer", lineterm="", n=1)])

    def same(self, lines: Iterable[str]) -> None:
        """Fails with all that differs."""
        differing = [found for line in lines if (found := self.differ(line))]
        assert not differing, "\n".join(differing)
