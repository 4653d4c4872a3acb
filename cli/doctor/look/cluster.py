"""The Docker daemon, the certificates, and the API server."""

import base64
import http.client
import shutil
import ssl
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import docker
import docker.errors

from cli import board
from cli.cluster import Settings
from cli.doctor.certificates import Certificate
from cli.doctor.dockerd import Daemon
from cli.doctor.master import ApiServer
from cli.errors import is_forbidden
from cli.processes import find
from client.documents import parse
from client.kubeconfig import Credentials, KubeconfigError, load_kubeconfig
from master.certificates import load_certificate

_TIMEOUT_S = 5.0
_DAY_S = 86400.0


def docker_daemon(settings: Settings) -> Daemon:
    """One question to the daemon, with a short limit."""
    path = settings.docker_host.removeprefix("unix://")
    lacks = path if settings.docker_host.startswith("unix://") and not Path(path).exists() else ""
    if lacks:
        return Daemon(error="no socket", socket=path, installed=shutil.which("dockerd") is not None)
    try:
        client = docker.APIClient(base_url=settings.docker_host, version="auto", timeout=int(_TIMEOUT_S))
    except (docker.errors.DockerException, OSError) as error:
        if is_forbidden(error):
            raise PermissionError(f"{settings.docker_host}: Permission denied") from error
        return Daemon(error=str(error))
    try:
        version, info = client.version(), client.info()
    except (docker.errors.DockerException, OSError) as error:
        return Daemon(error=str(error))
    finally:
        client.close()
    major, _, minor = version["ApiVersion"].partition(".")
    warnings = tuple(info.get("Warnings") or ())
    return Daemon(version["Version"], (int(major), int(minor)), info.get("Driver", ""), warnings)


def certificates(settings: Settings) -> tuple[Certificate, ...]:
    """Those in files, and the client certificates within kubeconfig files."""
    now = datetime.now(UTC)
    files = [(path, path.read_bytes()) for path in sorted(settings.pki.glob("*.crt"))]
    for path in sorted(settings.config.glob("*.kubeconfig")):
        files += [(path, text) for text in _embedded(path)]
    return tuple(_certificate(path, content, now) for path, content in files)


def _embedded(path: Path) -> list[bytes]:
    document = parse(path.read_text()) or {}
    users = [one.get("user") or {} for one in document.get("users") or []]
    return [base64.b64decode(user[key]) for user in users for key in ("client-certificate-data",) if user.get(key)]


def _certificate(path: Path, content: bytes, now: datetime) -> Certificate:
    try:
        found = load_certificate(content)
    except ValueError as error:
        return Certificate(str(path), error=str(error))
    left_s = (found.not_valid_after_utc - now).total_seconds()
    return Certificate(str(path), left_s / _DAY_S, authority=path.name == "ca.crt")


def api_server(settings: Settings) -> ApiServer:
    """One request, as the admin or, on a host without one, as the agent."""
    path = next((one for one in map(settings.kubeconfig, ("admin", "agent")) if one.exists()), None)
    if path is None:
        return ApiServer()
    written = board.read(settings.run)
    supervised = written is not None and find(written.supervisor) is not None
    try:
        credentials = load_kubeconfig(path)
    except KubeconfigError as error:
        return ApiServer(str(path), supervised, str(error))
    server = credentials.server
    try:
        return _ask(credentials, supervised=supervised)
    except ConnectionRefusedError:
        return ApiServer(server, supervised, "nobody listens there", refused=True)
    except ssl.SSLError as error:
        return ApiServer(server, supervised, f"TLS fails: {error}", distrusted=True)
    except (OSError, http.client.HTTPException) as error:
        return ApiServer(server, supervised, str(error) or type(error).__name__)


def _ask(credentials: Credentials, *, supervised: bool) -> ApiServer:
    """The Date of the answer has whole seconds: half of one is added, and half the time the answer took."""
    place = urlsplit(credentials.server)
    connection: http.client.HTTPConnection
    if place.scheme == "https":
        context = credentials.ssl_context()
        connection = http.client.HTTPSConnection(place.hostname or "", place.port, timeout=_TIMEOUT_S, context=context)
    else:
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=_TIMEOUT_S)
    try:
        connection.connect()
        began = time.time()
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        body = answer.read(4096).decode(errors="replace").strip()
        ended = time.time()
    finally:
        connection.close()
    date = answer.headers.get("Date")
    skew = parsedate_to_datetime(date).timestamp() + 0.5 - (began + ended) / 2 if date else None
    unready = "" if answer.status == 200 else f"{answer.status} {body.splitlines()[-1] if body else answer.reason}"
    return ApiServer(credentials.server, supervised, unready=unready, skew_s=skew)
