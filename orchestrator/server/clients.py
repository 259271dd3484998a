"""The bounds on clients of a listener, as the configuration has them, with the words they hear."""

import json
from collections.abc import Mapping

from orchestrator.config.server_section import ServerConfig
from orchestrator.server.errors import RETRY_AFTER_S, envelope
from orchestrator.server.wire.bounds import ClientBounds, connections_within


def client_bounds(server: ServerConfig) -> ClientBounds:
    """Those of one listener; also raises the limit of open files as far as it goes."""
    too_slow = envelope(
        "The request did not come to its end within server.client_timeout_s. Send it again, whole.",
        408,
        code="client_timeout",
    )
    too_many = envelope(
        "There are too many connections (server.max_client_connections). Try again later.",
        503,
        code="too_many_connections",
    )
    return ClientBounds(
        server.client_timeout_s,
        connections_within(server.max_client_connections),
        _answer("408 Request Timeout", too_slow, {}),
        _answer("503 Service Unavailable", too_many, {"retry-after": str(RETRY_AFTER_S[503])}),
    )


def _answer(status: str, body: object, more: Mapping[str, str]) -> bytes:
    """All bytes of an answer after which the connection ends."""
    content = json.dumps(body).encode()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(content)),
        "connection": "close",
        **more,
    }
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\n{fields}\r\n".encode() + content
