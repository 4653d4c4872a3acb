"""What this server says it is: the Kubernetes version whose behaviour it has, and its own."""

import platform
from functools import cache
from pathlib import Path

KUBERNETES_MAJOR, KUBERNETES_MINOR = "1", "32"


@cache
def git_version() -> str:
    """As ``v1.32.0+steersman.0.1.0``: kubectl compares the first part with its own."""
    return f"v{KUBERNETES_MAJOR}.{KUBERNETES_MINOR}.0+steersman.{_own()}"


def _own() -> str:
    """The version of the installed package, or of the checkout this runs from."""
    import tomllib
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed_version

    try:
        return installed_version("steersman")
    except PackageNotFoundError:
        project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
        return str(project["project"]["version"])


@cache
def version_document() -> dict[str, str]:
    """The answer of /version."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": KUBERNETES_MAJOR,
        "minor": KUBERNETES_MINOR,
        "gitVersion": git_version(),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": platform.python_implementation(),
        "platform": f"linux/{machine}",
    }
