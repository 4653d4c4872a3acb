"""`steersman certificates master | node | etcd | client`: make and renew what hosts and users are known by.

Called on the master, where the CA is. The rule is the one of `steersman up`: what serves is left alone, what is
missing, worn (less than a third of its life left) or changed is made anew, and a CA is never replaced. So a call may
be repeated at any time, and repeating it is how certificates of other hosts are renewed: `--out` is then the same
directory.

Keys go to files of mode 0600 in directories of mode 0700. `--out -` writes a tar archive to standard output instead,
to be piped to the host; that is refused on a terminal.
"""

import argparse
import io
import socket
import sys
import tarfile
import tempfile
from pathlib import Path

from cli.cluster import NAME, Settings, add_location_flags, complete, load
from cli.errors import CommandError
from cli.install import apiserver_identities
from cli.progress import say
from master import pki

ACTIONS = ("master", "node", "etcd", "client")
FLAGS = ("--address", "--out", "--server", "--group", "--files")
PIPE = "-"
NAME_MAX = 64 - len("system:node:")  # a common name has at most 64 characters


def main(arguments: list[str]) -> int:
    """Make them; CommandError when they cannot be made."""
    namespace = _parser().parse_args(arguments)
    settings = complete(load(namespace)[0])
    if namespace.action == "master":
        _tell(_master(settings, namespace))
        return 0
    _check_name(namespace)
    if namespace.out == PIPE:
        _write_archive(settings, namespace)
    else:
        _tell(_issue(settings, namespace, Path(namespace.out).absolute()))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steersman certificates",
        description="Make or renew certificates, on the master: where they serve, nothing changes.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="master|node|etcd|client")
    for name, what in (
        ("master", "the CA, the API server's certificate and the kubeconfig files of this master"),
        ("node", "what the agent, netproxy and the name server of a node need"),
        ("etcd", "a member's certificate and that of its client, from a CA of etcd's own"),
        ("client", "a user: NAME.kubeconfig, or with --files pki/NAME.crt and pki/NAME.key"),
    ):
        action = actions.add_parser(name, help=what, description=f"Make {what}.", allow_abbrev=False)
        add_location_flags(action)
        if name != "client":
            action.add_argument(
                "--address", action="append", default=[], metavar="ADDRESS", help="address or name it answers at too"
            )
        if name == "master":
            continue
        action.add_argument(
            "subject", metavar="NAME", help="name of the user" if name == "client" else "name of the host"
        )
        action.add_argument("--out", required=True, metavar="DIR", help="where to; - writes a tar archive to the pipe")
        if name != "etcd":
            action.add_argument(
                "--server", action="append", default=[], metavar="URL",
                help="where the API is; again for each further master; none: this host's address and api-servers",
            )  # fmt: skip
        if name == "client":
            action.add_argument("--group", action="append", default=[], metavar="GROUP", help="group of the user")
            action.add_argument("--files", action="store_true", help="certificate and key as files of their own")
    parser.epilog = "".join(action.format_usage() for action in actions.choices.values())
    return parser


def _check_name(namespace: argparse.Namespace) -> None:
    """A name becomes part of a path: nothing that leads elsewhere, and none that stands for something of ours."""
    name = namespace.subject
    if not NAME.fullmatch(name) or len(name) > NAME_MAX or ".." in name:
        raise CommandError(f"{name!r} must be a lower-case DNS name of at most {NAME_MAX} characters")
    if namespace.action == "client" and name in _OURS:
        raise CommandError(f"{name} is a name of the cluster's own", hint="choose another")


_OURS = frozenset({"ca", "sa", "apiserver", "etcd", *(one.name for one in pki.standard_identities(node_name="any"))})


def _tell(made: pki.Pki) -> None:
    for sentence in made.done or ("nothing to do",):
        say(f"{made.directory}: {sentence}")


def _master(settings: Settings, namespace: argparse.Namespace) -> pki.Pki:
    wanted = (*apiserver_identities(settings, more=tuple(namespace.address)), *pki.master_identities())
    try:
        return pki.ensure(
            settings.config,
            wanted,
            server=settings.local_server,
            cluster=settings.name,
            others=settings.api_servers,
        )
    except (pki.PkiError, TimeoutError, ValueError) as error:
        raise CommandError(str(error)) from error


def _issue(settings: Settings, namespace: argparse.Namespace, out: Path) -> pki.Pki:
    if not (settings.config / "pki/ca.key").exists():
        raise CommandError(
            f"{settings.config}/pki/ca.key: not there: the CA is on the master",
            hint="steersman certificates master makes it",
        )
    authority = settings.config / "etcd" if namespace.action == "etcd" else settings.config
    server, *others = getattr(namespace, "server", None) or (settings.server, *settings.api_servers)
    try:
        wanted = _wanted(namespace)
        return pki.issue(authority, out, wanted, server=server, cluster=settings.name, others=tuple(others))
    except (pki.PkiError, TimeoutError, ValueError) as error:
        raise CommandError(str(error)) from error


def _wanted(namespace: argparse.Namespace) -> tuple[pki.Identity, ...]:
    name = namespace.subject
    if namespace.action == "client":
        return (pki.client_identity(name, tuple(namespace.group), embedded=not namespace.files),)
    if namespace.action == "etcd":
        return pki.etcd_identities(host_name=name, addresses=namespace.address)
    serving = pki.agent_identity(node_name=name, host_name=name, addresses=namespace.address)
    return (serving, *pki.node_identities(node_name=name))


def _write_archive(settings: Settings, namespace: argparse.Namespace) -> None:
    if sys.stdout.isatty():
        raise CommandError("keys are not written to a terminal", hint="pipe it to `ssh HOST tar -x -C /etc/steersman`")
    with tempfile.TemporaryDirectory(prefix=f"steersman-{socket.gethostname()}-") as folder:
        _issue(settings, namespace, Path(folder))
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for path in sorted(Path(folder).rglob("*")):
                if not path.name.startswith("."):
                    tar.add(path, arcname=str(path.relative_to(folder)), recursive=False)
    sys.stdout.buffer.write(archive.getvalue())
    sys.stdout.buffer.flush()
