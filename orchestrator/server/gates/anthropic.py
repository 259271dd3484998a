"""What Anthropic's clients send and expect beside the bodies: their key, ids, and errors."""

import json
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from orchestrator.server.dialects.anthropic_errors import anthropic_error
from orchestrator.server.wire.layers import Layer, fields_of, with_headers

_KEY, _BEARER, _ID = b"x-api-key", b"authorization", b"x-request-id"
_ERROR = 400


class AnthropicGate(Layer):
    """Takes a key from `x-api-key`; below /v1/messages, tells every error in Anthropic's shape.

    It is outside the gates that refuse requests, whose errors are OpenAI's.
    """

    def concerns(self, scope: Scope) -> bool:
        """Those that have such a key, or speak that protocol."""
        return _KEY in fields_of(scope) or _is_anthropics(scope["path"])

    async def passed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Understand them, and be understood."""
        fields = fields_of(scope)
        if _KEY in fields and _BEARER not in fields:
            with_headers(scope, [*scope["headers"], (_BEARER, b"Bearer " + fields[_KEY])])
        if _is_anthropics(scope["path"]):
            send = _Worded(send).send
        await self._app(scope, receive, send)


def _is_anthropics(path: str) -> bool:
    inner = path.removeprefix("/batch")
    return inner.rstrip("/") == "/v1/messages" or inner.startswith("/v1/messages/")


class _Worded:
    """Holds an error back until all of it is there."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._head: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message = _with_id(message)
            if message["status"] >= _ERROR:
                self._head = message
                return
        if self._head is None:
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if not message.get("more_body"):
            head, body = _worded(self._head, self._body)
            await self._send(head)
            await self._send({"type": "http.response.body", "body": body})


def _with_id(head: Message) -> Message:
    """Anthropic's SDKs read the id from a header without the x."""
    given = dict(head.get("headers", ())).get(_ID)
    if given is None:
        return head
    return {**head, "headers": [*head["headers"], (b"request-id", given)]}


def _worded(head: Message, body: bytes) -> tuple[Message, bytes]:
    headers: list[tuple[bytes, bytes]] = list(head.get("headers", ()))
    try:
        told: Any = json.loads(body)
        request_id = dict(headers).get(_ID, b"").decode("latin-1")
        body = json.dumps(anthropic_error(told, request_id, head["status"])).encode()
    except (ValueError, LookupError, TypeError):
        return head, body  # No error of ours.
    kept = [(name, value) for name, value in headers if name != b"content-length"]
    kept.append((b"content-length", str(len(body)).encode()))
    return {**head, "headers": kept}, body
