"""Which build this is, as ``kubernetes_build_info`` tells it. Loads nothing before it is asked."""

import platform
from functools import cache
from pathlib import Path

MAJOR, MINOR = "1", "32"
"""The version of Kubernetes whose behaviour ours is."""
HELP = (
    "A metric with a constant '1' value labeled by major, minor, git version, git commit, git tree state, build date, "
    "Go version, and compiler from which Kubernetes was built, and platform on which it is running."
)
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def build_labels() -> dict[str, str]:
    """Label to value. Of the commit nothing is known."""
    return {
        "major": MAJOR,
        "minor": MINOR,
        "git_version": git_version(),
        "git_commit": "",
        "git_tree_state": "",
        "build_date": "",
        "go_version": f"python{platform.python_version()}",
        "compiler": platform.python_implementation(),
        "platform": build_platform(),
    }


@cache
def git_version() -> str:
    """As ``v1.32.0+steersman.0.1.0``: kubectl compares the first part with its own."""
    return f"v{MAJOR}.{MINOR}.0+steersman.{_own_version()}"


def build_platform() -> str:
    """As Go names it: ``linux/amd64``."""
    machine = platform.machine()
    return f"linux/{_MACHINES.get(machine, machine)}"


def _own_version() -> str:
    """The version of the installed package, or of the checkout this runs from."""
    import tomllib
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("steersman")
    except PackageNotFoundError:
        project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
        return str(project["project"]["version"])
