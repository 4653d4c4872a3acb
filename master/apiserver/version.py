"""The answer of /version: the Kubernetes version whose behaviour this server has, and its own."""

import platform
from functools import cache

from client.build import MAJOR, MINOR, build_platform, git_version


@cache
def version_document() -> dict[str, str]:
    """Of the commit and its time nothing is known."""
    return {
        "major": MAJOR,
        "minor": MINOR,
        "gitVersion": git_version(),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": platform.python_implementation(),
        "platform": build_platform(),
    }
