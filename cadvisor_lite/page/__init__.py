"""The page for people: one HTML shell, one style sheet, one script, all from here; nothing is fetched elsewhere.

The script draws from the REST API and writes names only as text nodes; what is put into the HTML here is escaped.
The content policy forbids inline script, so a hostile container name has no way to run.
"""

from html import escape
from pathlib import Path
from string import Template

from cadvisor_lite.http_server import Response
from cadvisor_lite.readers import MachineSample
from cadvisor_lite.tracked import Snapshot

_DIRECTORY = Path(__file__).parent
_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'"
_STATIC = {"page.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8"}
_TEMPLATE = Template((_DIRECTORY / "page.html").read_text(encoding="utf-8"))
_FILES = {name: (_DIRECTORY / name).read_bytes() for name in _STATIC}


def static_file(name: str) -> Response | None:
    if name not in _FILES:
        return None
    return Response(200, _STATIC[name], _FILES[name], (("Cache-Control", "no-cache"),))


def render_page(snapshot: Snapshot) -> Response:
    machine = snapshot.machine
    body = _TEMPLATE.substitute(
        host=escape(machine.hostname or "this machine"),
        facts=escape(_facts(machine)),
        cores=machine.core_count,
        memory=machine.memory_total_bytes,
        boot=machine.boot_time_s,
        rows="".join(_rows(snapshot)),
    )
    headers = (("Content-Security-Policy", _POLICY), ("Referrer-Policy", "no-referrer"), ("Cache-Control", "no-store"))
    return Response(200, "text/html; charset=utf-8", body.encode(errors="replace"), headers)


def _facts(machine: MachineSample) -> str:
    gib = machine.memory_total_bytes / 2**30
    cores = f"{machine.core_count} core{'s' if machine.core_count != 1 else ''}"
    return " · ".join(
        part for part in (machine.os_image, f"Linux {machine.kernel_version}", cores, f"{gib:.1f} GiB") if part
    )


def _rows(snapshot: Snapshot) -> list[str]:
    """The table that is shown where there is no script."""
    rows = []
    for tracked, sample in snapshot.tracked:
        if (container := tracked.container) is not None:
            memory = "" if sample.memory is None else f"{sample.memory.working_set_bytes / 2**20:.1f} MiB"
            cells = (container.namespace, container.pod, container.container or container.name, container.image, memory)
            rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    return rows
