"""What a client did against a streaming protocol."""


class ProtocolError(Exception):
    """The session ends. ``code``: the WebSocket close code that tells the client (RFC 6455, section 7.4.1)."""

    def __init__(self, message: str, *, code: int = 1002) -> None:
        super().__init__(message)
        self.code = code
