"""What ``-k`` means: the objects that kustomize builds of a folder.

There is no kustomize in Python that is kept up with the original, so the original does it: the program ``kustomize``,
or the one inside kubectl. Where neither is, what to do instead is said.
"""

import shutil
import subprocess
from dataclasses import dataclass

from cli.steer.failures import Failure

_MISSING = (
    "-k needs the program kustomize (or kubectl) on the PATH, and there is none; build where it is and hand the "
    "result over: kustomize build {} | steer apply -f -"
)


@dataclass(frozen=True, slots=True)
class Kustomization:
    """A folder, or the address of one, said with ``-k``."""

    place: str


def built(place: str) -> str:
    """The objects, as YAML. Raises Failure."""
    program = next((way for way in (["kustomize", "build"], ["kubectl", "kustomize"]) if shutil.which(way[0])), None)
    if program is None:
        raise Failure(_MISSING.format(place))
    done = subprocess.run([*program, "--", place], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(done.stderr.strip().removeprefix("Error: ").removeprefix("error: ") or f"{program[0]} failed")
    return done.stdout
