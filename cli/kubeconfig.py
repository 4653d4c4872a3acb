"""`steersman kubeconfig`: print where the admin's kubeconfig lies, for `export KUBECONFIG=$(steersman kubeconfig)`."""

import argparse

from cli.cluster import add_location_flags, load
from cli.errors import CommandError


def main(arguments: list[str]) -> int:
    """Print the path; CommandError when there is no cluster."""
    parser = argparse.ArgumentParser(
        prog="steersman kubeconfig", description="Print the path of the admin's kubeconfig."
    )
    add_location_flags(parser)
    settings, _ = load(parser.parse_args(arguments))
    path = settings.kubeconfig("admin")
    if not path.exists():
        raise CommandError(f"{path} does not exist", hint="steersman up writes it")
    print(path)
    return 0
