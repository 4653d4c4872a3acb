"""The end of a session over TLS: a client that is still sending hears all that was said, and then a clean end."""

import socket
import ssl
import threading
from pathlib import Path

from agent.server.streaming.farewell import say_farewell
from agent.server.streaming.timing import Timing
from agent.server.streaming.wire import Wire
from master import pki

LAST_WORDS = b"how it ended" * 10_000
MUCH = b"more input" * 500_000  # beyond what the buffers of a connection hold


def connected(folder: Path) -> tuple[ssl.SSLSocket, ssl.SSLSocket]:
    """Both ends of a TLS connection: the agent's and its client's."""
    agent = pki.agent_identity(node_name="n1", host_name="n1", addresses=["127.0.0.1"])
    made = pki.ensure(folder, [agent], server="https://127.0.0.1:1")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.certificate("agent"), made.key("agent"))
    client = ssl.create_default_context(cafile=made.ca_certificate)
    ends: list[ssl.SSLSocket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        other = socket.create_connection(listener.getsockname(), timeout=60)
        shake = threading.Thread(target=lambda: ends.append(client.wrap_socket(other, server_hostname="127.0.0.1")))
        shake.start()
        ours = server.wrap_socket(listener.accept()[0], server_side=True)
        shake.join()
    return ours, ends[0]


def test_a_client_that_goes_on_sending_still_hears_the_last_words(tmp_path: Path) -> None:
    ours, client = connected(tmp_path)
    wire = Wire(ours)

    def end_the_session() -> None:
        wire.send(LAST_WORDS)
        say_farewell(wire, Timing(farewell_s=60.0))
        wire.close()

    client.sendall(b"what the session never reads")
    session = threading.Thread(target=end_the_session)
    session.start()
    client.sendall(MUCH)
    heard = b""
    while data := client.recv(65536):
        heard += data
    assert heard == LAST_WORDS
    client.close()
    session.join(60)
    assert not session.is_alive()
