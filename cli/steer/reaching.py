"""Which server is asked, and as whom: the kubeconfig, and the flags that all verbs share, which go before it."""

import os
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import click

from cli.steer.durations import DURATION
from cli.steer.failures import Failure
from client import Credentials, load_kubeconfig
from client.kubeconfig import KubeconfigError

F = TypeVar("F", bound=Callable[..., Any])

_HOST_KUBECONFIG = Path("/etc/steersman/admin.kubeconfig")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What was said of the server and of who asks it; empty where nothing was. ``request_timeout`` in seconds."""

    kubeconfig: str = ""
    context: str = ""
    cluster: str = ""
    user: str = ""
    server: str = ""
    token: str = ""
    certificate_authority: str = ""
    client_certificate: str = ""
    client_key: str = ""
    as_user: str = ""
    as_uid: str = ""
    as_group: tuple[str, ...] = ()
    request_timeout: float = 0.0
    warnings_as_errors: bool = False

    @property
    def credentials(self) -> Credentials:
        """Raises Failure."""
        try:
            found = self._of_file()
        except KubeconfigError as error:
            raise Failure(str(error)) from error
        said: dict[str, Any] = {"acting_as": self._acting_as()}
        if self.server:
            said |= {"server": self.server, "others": ()}
        if self.token:
            said["token"] = self.token
        for name, path in (("ca", self.certificate_authority), ("certificate", self.client_certificate),
                           ("key", self.client_key)):  # fmt: skip
            if path:
                said[name] = _contents(path)
        # What the flags say would be forgotten with a reading of the file anew.
        return found if said == {"acting_as": ()} else replace(found, path=None, **said)

    def _of_file(self) -> Credentials:
        path = kubeconfig_path(self.kubeconfig)
        if self.server and not (self.kubeconfig or self.context or path.exists()):
            return Credentials(server=self.server)
        return load_kubeconfig(path, context=self.context, cluster=self.cluster, user=self.user)

    def _acting_as(self) -> tuple[tuple[str, str], ...]:
        if (self.as_group or self.as_uid) and not self.as_user:
            raise Failure("requesting uid, groups or user-extra for impersonation without impersonating a user is not "
                          "allowed; say --as")  # fmt: skip
        named = (("Impersonate-User", self.as_user), ("Impersonate-Uid", self.as_uid))
        return (*(one for one in named if one[1]), *(("Impersonate-Group", group) for group in self.as_group))


def _contents(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise Failure(f"unable to read {path}: {error.strerror}") from error


def kubeconfig_path(said: str) -> Path:
    """The flag, the variable, one's own, or that of a cluster on this host."""
    if said:
        return Path(said)
    for name in os.environ.get("KUBECONFIG", "").split(os.pathsep):
        if name and Path(name).exists():
            return Path(name)
    if os.environ.get("KUBECONFIG"):
        return Path(os.environ["KUBECONFIG"].split(os.pathsep)[0])
    own = Path.home() / ".kube/config"
    return own if own.exists() or not _HOST_KUBECONFIG.exists() else _HOST_KUBECONFIG


def remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Keeps what a flag said for the Session of the verb, whichever command of the line it stood at."""
    if value:
        ctx.find_root().ensure_object(dict)[param.name] = value


def _flag(*names: str, help: str, **more: Any) -> Callable[[F], F]:
    return click.option(*names, expose_value=False, callback=remember, help=help, **{"default": "", **more})


# Of `steer`, of each of its groups and of each verb: the word nearest to the end of the line holds.
KUBECONFIG = _flag("--kubeconfig", help="Path to the kubeconfig file.")
_SHOWN = (
    KUBECONFIG,
    _flag("--context", help="The name of the kubeconfig context to use."),
    _flag("-n", "--namespace", help="The namespace of this request."),
)
# Of `steer` alone, told by `steer options`; from a place behind a verb they are brought before it (`words.py`).
_MORE = (
    _flag("--cluster", hidden=True, help="The name of the kubeconfig cluster to use."),
    _flag("--user", hidden=True, help="The name of the kubeconfig user to use."),
    _flag("-s", "--server", hidden=True, help="The address and port of the API server."),
    _flag("--token", hidden=True, help="Bearer token for authentication to the API server."),
    _flag("--certificate-authority", hidden=True, help="A file with the certificate of the authority to be trusted."),
    _flag("--client-certificate", hidden=True, help="A file with the certificate to show to the server."),
    _flag("--client-key", hidden=True, help="A file with the key of that certificate."),
    _flag("--as", "as_user", hidden=True, help="Act as this user, or as system:serviceaccount:NAMESPACE:NAME."),
    _flag("--as-group", hidden=True, multiple=True, default=(), help="Act as one of this group; may be repeated."),
    _flag("--as-uid", hidden=True, help="Act as one of this uid."),
    _flag("--request-timeout", hidden=True, type=DURATION, default="0s",
          help="How long to wait for one answer of the server; 0: a minute."),
    _flag("--warnings-as-errors", hidden=True, is_flag=True, default=False,
          help="What the server warns of counts as a failure."),
)  # fmt: skip


def _given(wrapped: F, flags: tuple[Callable[[F], F], ...]) -> F:
    for flag in reversed(flags):
        wrapped = flag(wrapped)
    return wrapped


def with_common(wrapped: F) -> F:
    """Gives a group, or a verb, the flags that all share; they are kept for the verb that is called."""
    return _given(wrapped, _SHOWN)


def with_all(wrapped: F) -> F:
    """Gives `steer` itself all flags of which server, and as whom."""
    return _given(wrapped, (*_SHOWN, *_MORE))


def reach_of(said: dict[str, Any]) -> Reach:
    return Reach(**{one.name: said[one.name] for one in fields(Reach) if one.name in said})
