"""`steer get --watch` while objects come, change and go: line by line what kubectl shows."""

import re
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

from kubectls import NEW, Kubectl, binary, shown, staying
from tests_apiserver import Api, pod

from tests.e2e.waiting import until

FORMS = (
    ("get", "pods", "-w", "--output-watch-events"),
    ("get", "pods", "--watch-only", "--output-watch-events", "--no-headers"),
    ("get", "pods", "-w", "--output-watch-events", "-o", "name"),
    ("get", "pods", "-w", "--output-watch-events", "-o", "json"),
    ("get", "pods", "-w", "--output-watch-events", "-o", "yaml"),
    ("get", "pods", "-A", "-w", "--output-watch-events", "--field-selector=metadata.namespace={space}",
     "--show-labels", "-L", "app"),
    ("get", "pods", "-w"),
    ("get", "pods", "-w", "-o", "yaml"),
    ("get", "pod", "first", "-w", "--output-watch-events", "-o", "wide"),
)  # fmt: skip


def _alike(lines: list[str]) -> str:
    """Without ages, the width of columns, and the pods of which a watch may have missed some."""
    text = "".join(line for line in tuple(lines) if not line.startswith("ADDED") or "poke" not in line)
    return re.sub(r" +$", "", re.sub(r" {2,}", "  ", re.sub(r"\b(\d+[ydhms])+\b", "AGE", text)), flags=re.MULTILINE)


def test_each_change_is_shown_as_kubectl_shows_it(admin: Api, kubeconfig: Path, namespace: str, folder: Path) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    admin.post(path, pod("first"))
    kubectl = Kubectl(NEW, binary(NEW), kubeconfig, namespace, folder)
    steer = [str(Path(sys.executable).parent / "steer"), f"--kubeconfig={kubeconfig}", f"--namespace={namespace}"]
    with ExitStack() as stack:
        pairs = []
        for form in FORMS:
            words = [word.format(space=namespace) for word in form]
            pairs.append([stack.enter_context(staying([*begin, *words])) for begin in (kubectl.command(), steer)])
        # Those that list first have begun when they show it; the others see only what comes.
        pokes = (f"poke{number}" for number in range(1000))
        for form, pair in zip(FORMS, pairs, strict=True):
            for lines in pair:
                if "--watch-only" in form:
                    until(lambda lines=lines: admin.post(path, pod(next(pokes))) and shown(lines, "poke")())
                else:
                    until(shown(lines, "first"))
        admin.patch(f"{path}/first/status", {"status": {"phase": "Running"}})
        admin.post(path, pod("second"))
        admin.patch(f"{path}/second", {"metadata": {"labels": {"x": "y"}}})
        admin.delete(f"{path}/second?gracePeriodSeconds=0")
        admin.delete(f"{path}/first?gracePeriodSeconds=0")
        admin.post(path, pod("last"))
        for form, (theirs, ours) in zip(FORMS, pairs, strict=True):
            end = "DELETED" if "first" in form else "last"
            for lines in (theirs, ours):
                until(shown(lines, end))
            with suppress(AssertionError):  # what differs is shown below
                until(lambda theirs=theirs, ours=ours: _alike(theirs) == _alike(ours), limit_s=5)
            assert _alike(ours) == _alike(theirs), form
