"""A server on loopback that answers with whatever bytes a test has given to a model."""

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

SSE = "text/event-stream"
JSON = "application/json"


@dataclass(frozen=True)
class Sent:
    """One response: its pieces are written one by one."""

    pieces: tuple[bytes, ...] = ()
    kind: str | None = SSE
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def event(tree: Any) -> bytes:
    """One event with JSON in it."""
    return b"data: " + json.dumps(tree).encode() + b"\n\n"


def said(text: Any, finish: str | None = None) -> dict[str, Any]:
    """A chunk of a chat."""
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


USAGE = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}
DONE = b"data: [DONE]\n\n"


def good(text: str) -> Sent:
    """A well-formed stream."""
    return Sent((event(said(text)), event(said("", "stop")), event(USAGE), DONE))


def whole(content: Any) -> Sent:
    """A well-formed answer that is not streamed."""
    choice = {"index": 0, "message": {"content": content}, "finish_reason": "stop"}
    return Sent((json.dumps({"choices": [choice]}).encode(),), JSON)


class OddUpstream:
    """`sent[model]` is what a model answers, or what makes it of the request's body."""

    def __init__(self) -> None:
        self.base_url = ""
        self.sent: dict[str, Sent | Callable[[dict[str, Any]], Sent]] = {}
        self.bodies: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def spec(self, model: str, **keys: Any) -> dict[str, Any]:
        """The configuration of the expert that is this model."""
        return {"type": "openai", "base_url": self.base_url, "model": model, **keys}

    async def answer(self, http: web.Request) -> web.StreamResponse:
        """What was given to the model that is asked."""
        body = await http.json()
        self.bodies[body["model"]].append(body)
        sent = self.sent[body["model"]]
        sent = sent if isinstance(sent, Sent) else sent(body)
        headers = dict(sent.headers)
        if sent.kind is not None:
            headers["content-type"] = sent.kind
        response = web.StreamResponse(status=sent.status, headers=headers)
        await response.prepare(http)
        for piece in sent.pieces:
            await response.write(piece)
        await response.write_eof()
        return response


@asynccontextmanager
async def odd_upstream() -> AsyncIterator[OddUpstream]:
    """A running server."""
    upstream = OddUpstream()
    application = web.Application()
    application.router.add_post("/v1/{operation:.*}", upstream.answer)
    application.router.add_post("/{operation:tokenize}", upstream.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    upstream.base_url = "http://{}:{}/v1".format(*runner.addresses[0][:2])
    try:
        yield upstream
    finally:
        await runner.cleanup()
