"""Which build this is, as ``kubernetes_build_info`` tells it. Loads nothing before it is asked."""

import platform

KUBERNETES = ("1", "32")
"""The version whose behaviour ours is."""
HELP = (
    "A metric with a constant '1' value labeled by major, minor, git version, git commit, git tree state, build date, "
    "Go version, and compiler from which Kubernetes was built, and platform on which it is running."
)
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def build_labels() -> dict[str, str]:
    """Label to value. Of the commit nothing is known."""
    major, minor = KUBERNETES
    machine = platform.machine()
    return {
        "major": major,
        "minor": minor,
        "git_version": f"v{major}.{minor}.0+steersman.{_own_version()}",
        "git_commit": "",
        "git_tree_state": "",
        "build_date": "",
        "go_version": f"python{platform.python_version()}",
        "compiler": platform.python_implementation(),
        "platform": f"linux/{_MACHINES.get(machine, machine)}",
    }


def _own_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("steersman")
    except PackageNotFoundError:
        return "0.0.0"
