"""A chat server on loopback that answers with the messages that a test lines up."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 4},
}


def call(id: str, name: str, arguments: str) -> dict[str, Any]:
    """A call of a tool, whole."""
    function = {"name": name, "arguments": arguments}
    return {"id": id, "type": "function", "function": function}


def split(text: str, size: int) -> list[str]:
    """A text in pieces of that size."""
    return [text[at : at + size] for at in range(0, len(text), size)]


def deltas(message: Mapping[str, Any], size: int) -> list[dict[str, Any]]:
    """The deltas of a stream that say the same as a whole message."""
    found: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    for field in ("reasoning", "content"):
        found += [{field: piece} for piece in split(message.get(field) or "", size)]
    for index, one in enumerate(message.get("tool_calls") or ()):
        arguments = one["function"]["arguments"]
        begun = {**one, "function": {**one["function"], "arguments": ""}}
        found.append({"tool_calls": [{"index": index, **begun}]})
        found += [
            {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
            for piece in split(arguments, size)
        ]
    return found


def events(said: Mapping[str, Any], size: int, usage: Mapping[str, Any] = USAGE) -> list[Any]:
    """The chunks of a stream: `said` is a choice, with its `message` whole."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        for delta in deltas(said["message"], size)
    ]
    end = {key: value for key, value in said.items() if key != "message"}
    chunks.append({"choices": [{"index": 0, "delta": {}, **end}]})
    chunks.append({"choices": [], "usage": dict(usage)})
    return [{**head, **chunk} for chunk in chunks]


class ScriptedChat:
    """Answers with the first of `lined_up`, and keeps the bodies that it was asked with.

    What is lined up is a choice, or a status with the error's message.
    """

    def __init__(self) -> None:
        self.base_url = ""
        self.bodies: list[dict[str, Any]] = []
        self.counted: list[dict[str, Any]] = []
        self.lined_up: list[dict[str, Any] | tuple[int, str]] = []
        self.breaks = False
        """Streams end with an error behind their second chunk."""

    def says(self, message: Mapping[str, Any], finish: str = "stop", **more: Any) -> None:
        """Line up an answer."""
        whole = {"role": "assistant", "content": None, **message}
        self.lined_up.append({"message": whole, "finish_reason": finish, **more})

    async def answer(self, http: web.Request) -> web.StreamResponse:
        """One chat completion."""
        body = await http.json()
        self.bodies.append(body)
        said = self.lined_up.pop(0)
        if isinstance(said, tuple):
            error = {"message": said[1], "code": "scripted"}
            return web.json_response({"error": error}, status=said[0])
        if not body.get("stream"):
            head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m"}
            return web.json_response({**head, "choices": [{"index": 0, **said}], "usage": USAGE})
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(http)
        for number, chunk in enumerate(events(said, 3)):
            if self.breaks and number == 2:
                chunk = {"error": {"message": "engine died"}}
            await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        return response

    async def tokenize(self, http: web.Request) -> web.Response:
        """The number of messages, for the number of tokens."""
        self.counted.append(body := await http.json())
        return web.json_response({"count": len(body["messages"]), "max_model_len": 64})


@asynccontextmanager
async def scripted_chat() -> AsyncIterator[ScriptedChat]:
    """A running server; `base_url` ends with /v1."""
    chat = ScriptedChat()
    application = web.Application()
    application.router.add_post("/v1/chat/completions", chat.answer)
    application.router.add_post("/tokenize", chat.tokenize)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    chat.base_url = "http://{}:{}/v1".format(*runner.addresses[0][:2])
    try:
        yield chat
    finally:
        await runner.cleanup()
