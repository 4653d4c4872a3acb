"""The loads: what a client in its namespace does, and how fast it went. Each ends the run when something went wrong."""

from __future__ import annotations

import json
import re
import resource
import select
import socket
import statistics
import subprocess
import sys
import time

REQUEST = b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n"
LIMIT_S = 10.0
Address = tuple[str, int]


def inside(netns: str, load: str, address: Address, *arguments: object) -> dict[str, float]:
    """Run one of the loads below in a namespace; its figures."""
    command = ["ip", "netns", "exec", netns, sys.executable, "-m", "bench.proxy_loads"]
    command += [load, address[0], str(address[1]), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"load {load} to {address} failed: {done.stderr}{done.stdout}")
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def wrk(netns: str, address: Address, *, seconds: int, connections: int, close: bool) -> float:
    """Requests a second."""
    headers = ["-H", "Connection: close"] if close else []
    url = f"http://{address[0]}:{address[1]}/"
    command = ["ip", "netns", "exec", netns, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", *headers, url]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", output)
    if found is None or "Socket errors" in output or "Non-2xx" in output:
        raise SystemExit(f"wrk to {address} met errors:\n{output}")
    return float(found[1])


def iperf(netns: str, address: Address, *, seconds: int, streams: int) -> tuple[float, float]:
    """Gbit/s from the backend to the client, and GB that came."""
    command = ["ip", "netns", "exec", netns, "iperf3", "-c", address[0], "-p", str(address[1]), "-R", "-J"]
    command += ["-P", str(streams), "-t", str(seconds)]
    for _ in range(5):
        report = json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
        if "error" not in report:
            total = report["end"]["sum_received"]
            return total["bits_per_second"] / 1e9, total["bytes"] / 1e9
        time.sleep(0.5)  # the server takes one test at a time and needs a moment after the last
    raise SystemExit(f"iperf3 to {address} failed: {report['error']}")


def one(address: Address, seconds: float) -> dict[str, float]:
    """Connect, ask, read to the end, one at a time: median milliseconds."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while (begin := time.perf_counter()) < end:
        with socket.create_connection(address, timeout=LIMIT_S) as sock:
            sock.sendall(REQUEST)
            while sock.recv(4096):
                pass
        times.append((time.perf_counter() - begin) * 1000)
    return {"p50_ms": statistics.median(times), "count": len(times)}


def udp(address: Address, seconds: float, clients: float) -> dict[str, float]:
    """Datagrams there and back a second, from this many sockets at once."""
    poller = select.epoll()
    socks = {sock.fileno(): sock for sock in (_datagrams(address) for _ in range(int(clients)))}
    for sock in socks.values():
        poller.register(sock, select.EPOLLIN)
        sock.send(b"x" * 64)
    count, begin = 0, time.perf_counter()
    while time.perf_counter() < begin + seconds:
        for fd, _mask in poller.poll(0.2):
            socks[fd].recv(2048)
            socks[fd].send(b"x" * 64)
            count += 1
    return {"rate": count / (time.perf_counter() - begin), "count": count}


def udp_new(address: Address, seconds: float) -> dict[str, float]:
    """Flows a second: each is a new socket, one datagram and its answer; 16 at once."""
    poller, under_way, count = select.epoll(), {}, 0

    def begin_one() -> None:
        sock = _datagrams(address)
        under_way[sock.fileno()] = sock
        poller.register(sock, select.EPOLLIN)
        sock.send(b"x" * 64)

    for _ in range(16):
        begin_one()
    begin = time.perf_counter()
    while time.perf_counter() < begin + seconds:
        for fd, _mask in poller.poll(0.2):
            under_way.pop(fd).close()
            count += 1
            begin_one()
    return {"rate": count / (time.perf_counter() - begin), "count": count}


def hold(address: Address, wanted: float) -> dict[str, float]:
    """Open connections until one is not answered within two seconds; then end all, and see that new ones get through.

    Prints {"held"} when they are open, waits for a line, then prints {"recovered"}: 1.0 when a new one was answered.
    """
    socks: list[socket.socket] = []
    while len(socks) < wanted:
        batch = [socket.create_connection(address, timeout=2) for _ in range(min(100, int(wanted) - len(socks)))]
        for sock in batch:
            sock.sendall(b"x")
        answered = [sock for sock in batch if _answers(sock)]
        socks += answered
        if len(answered) < len(batch):
            break
    sys.stdout.write(json.dumps({"held": len(socks)}) + "\n")
    sys.stdout.flush()
    sys.stdin.readline()
    for sock in [*socks, *batch]:
        sock.close()
    time.sleep(1)
    with socket.create_connection(address, timeout=LIMIT_S) as sock:
        sock.sendall(b"x")
        return {"recovered": float(_answers(sock))}


def _answers(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b"x"
    except OSError:
        return False


def _datagrams(address: Address) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sock.connect(address)
    return sock


if __name__ == "__main__":
    _hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (_hard, _hard))
    _loads = {"one": one, "udp": udp, "udp_new": udp_new, "hold": hold}
    _where = (sys.argv[2], int(sys.argv[3]))
    sys.stdout.write(json.dumps(_loads[sys.argv[1]](_where, *map(float, sys.argv[4:]))) + "\n")  # type: ignore[operator]
