"""Runs wrk, over TLS with a client certificate when one is given, and reads what it prints.

wrk itself knows no client certificates. Its Lua is LuaJIT, whose foreign functions reach the OpenSSL that wrk is linked
with: OpenSSL calls back for each connection object that wrk makes, and it is given the certificate before its
handshake. A request costs nothing more for it.
"""

import asyncio
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

_CERTIFICATE = """
local ffi = require("ffi")
ffi.cdef[[
typedef void (*made)(void *ssl, void *pointer, void *data, int index, long number, void *argument);
int CRYPTO_get_ex_new_index(int kind, long number, void *argument, made call, void *copy, void *free);
int SSL_use_certificate_file(void *ssl, const char *file, int type);
int SSL_use_PrivateKey_file(void *ssl, const char *file, int type);
]]
local function certify(ssl)
  if ffi.C.SSL_use_certificate_file(ssl, "{certificate}", 1) ~= 1 then os.exit(3) end
  if ffi.C.SSL_use_PrivateKey_file(ssl, "{key}", 1) ~= 1 then os.exit(3) end
end
kept = ffi.cast("made", certify)
function init(arguments) ffi.C.CRYPTO_get_ex_new_index(0, 0, nil, kept, nil, nil) end
"""
_SAME = """
wrk.method = "{method}"
wrk.body = [[{body}]]
wrk.headers["Content-Type"] = "{media}"
"""
_NUMBERED = """
local n, body = -1, wrk.body
request = function()
  n = n + 1
  local named = string.format("%05d", n % {count})
  local filled = body and body:gsub("%%d", named):gsub("%%n", n)
  return wrk.format(nil, (string.gsub("{path}", "%%d", named)), nil, filled)
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk sends. With a ``count`` above 0 the %d in path and body goes round so many numbers of five digits, and
    %n in the body grows with every request."""

    path: str
    method: str = "GET"
    body: str = ""
    media: str = "application/json"
    count: int = 0

    @property
    def script(self) -> str:
        script = _SAME.format(method=self.method, body=self.body, media=self.media)
        if self.count:
            script += _NUMBERED.format(path=self.path, count=self.count)
        return script


@dataclass(frozen=True, slots=True)
class Result:
    """Answers a second, how many in all, latencies in seconds, and how many were refusals."""

    rate: float
    answers: int
    p50_s: float
    p99_s: float
    refused: int


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    certificate: Path
    key: Path


async def wrk(
    url: str, load: Load, *, seconds: float, connections: int, client: ClientCertificate | None = None
) -> Result:
    """One run; raises RuntimeError when wrk says nothing of use."""
    script = load.script
    if client is not None:
        script += _CERTIFICATE.replace("{certificate}", str(client.certificate)).replace("{key}", str(client.key))
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency", "-s", file.name]
        path = load.path.replace("%d", "00000")
        process = await asyncio.create_subprocess_exec(*command, url + path, stdout=asyncio.subprocess.PIPE)
        output, _ = await asyncio.wait_for(process.communicate(), seconds + 60)
    return _read(output.decode())


def _read(text: str) -> Result:
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    answers = re.search(r"(\d+) requests in", text)
    p50, p99 = (re.search(rf"{share}%\s+([\d.]+)(us|ms|s)", text) for share in (50, 99))
    if rate is None or answers is None or p50 is None or p99 is None or "Socket errors" in text:
        raise RuntimeError(f"wrk printed no result: {text}")
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    times = [float(found[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1.0}[found[2]] for found in (p50, p99)]
    return Result(float(rate[1]), int(answers[1]), times[0], times[1], int(refused[1]) if refused else 0)
