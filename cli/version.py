"""`steersman version`: which version this is."""

import argparse
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Print the versions of Steersman and of Python."""
    argparse.ArgumentParser(prog="steersman version", description="Print the version.").parse_args(arguments)
    print(f"steersman {own_version()} (Python {platform.python_version()})")
    return 0


def own_version() -> str:
    """The version of the installed package, or of the checkout this runs from."""
    try:
        return version("steersman")
    except PackageNotFoundError:
        import tomllib

        project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
        return str(project["project"]["version"])
