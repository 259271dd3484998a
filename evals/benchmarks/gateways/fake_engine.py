"""An engine that computes nothing, as a process of its own: it answers in OpenAI's format at once.

It is to cost far less than any gateway before it, so it knows just enough HTTP/1.1 and parses no
JSON. A request's `max_tokens` says how long the answer is; every token of a stream is an event in
a packet of its own, `--gap-ms` after the one before.
"""

import argparse
import asyncio
import json
import re
import signal
from functools import lru_cache
from typing import Any, cast

import uvloop

MODEL = "fake"
WORD = " word"
BACKLOG = 4096
DEFAULT_TOKENS = 16
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TOKENS = re.compile(rb'"max_(?:completion_)?tokens": ?(\d+)')
_STREAM = re.compile(rb'"stream": ?true')
_JSON = b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"
_EVENTS = b"content-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
_OK = b"HTTP/1.1 200 OK\r\n"
_ABOUT = {
    "object": "list",
    "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "nobody"}],
    "model_path": MODEL,
    "is_generation": True,
}


def _with_length(tree: dict[str, Any]) -> bytes:
    body = json.dumps(tree).encode()
    return _OK + _JSON % len(body) + body


ABOUT = _with_length(_ABOUT)
"""What it says to whatever is no call for tokens: that it is there, and which model it has."""


@lru_cache(maxsize=64)
def whole(tokens: int) -> bytes:
    """The response with a whole answer."""
    message = {"role": "assistant", "content": WORD * tokens}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "length"}
    return _with_length(_tree("chat.completion", [choice], usage=_usage(tokens)))


@lru_cache(maxsize=64)
def events(tokens: int) -> tuple[bytes, ...]:
    """The chunks of a stream: one for each token, of which the last ends the stream as well."""
    found = []
    for number in range(tokens):
        delta = {"content": WORD} | ({} if number else {"role": "assistant"})
        finish = "length" if number == tokens - 1 else None
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        found.append(_event(_tree("chat.completion.chunk", [choice])))
    found[-1] += _event(_tree("chat.completion.chunk", [], usage=_usage(tokens)))
    found[-1] += _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
    return tuple(found)


def _tree(kind: str, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-0",
        "object": kind,
        "created": 1,
        "model": MODEL,
        "choices": choices,
        **more,
    }


def _usage(tokens: int) -> dict[str, int]:
    return {"prompt_tokens": 8, "completion_tokens": tokens, "total_tokens": 8 + tokens}


def _event(tree: dict[str, Any]) -> bytes:
    return _chunk(b"data: " + json.dumps(tree).encode() + b"\n\n")


def _chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


class Server(asyncio.Protocol):
    """One connection, which is kept alive."""

    def __init__(self, gap_s: float) -> None:
        self._gap_s = gap_s
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._read = b""
        self._next: asyncio.Handle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop has a transport class of its own, so that there is no class to check for.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._next is not None:
            self._next.cancel()

    def data_received(self, data: bytes) -> None:
        self._read += data
        end = self._read.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        length = _LENGTH.search(self._read, 0, end)
        whole_length = end + (int(length[1]) if length else 0)
        if len(self._read) >= whole_length:
            request, self._read = self._read[:whole_length], self._read[whole_length:]
            self._answer(request)

    def _answer(self, request: bytes) -> None:
        assert self._transport is not None
        if not request.startswith(b"POST"):
            self._transport.write(ABOUT)
            return
        told = _TOKENS.search(request)
        tokens = max(1, int(told[1])) if told else DEFAULT_TOKENS
        if _STREAM.search(request) is None:
            self._transport.write(whole(tokens))
            return
        self._transport.write(_OK + _EVENTS)
        self._send(events(tokens), 0, self._loop.time())

    def _send(self, pieces: tuple[bytes, ...], number: int, started: float) -> None:
        """One token; the next one comes by the clock, whatever this one took."""
        assert self._transport is not None
        self._transport.write(pieces[number])
        number += 1
        if number == len(pieces):
            self._next = None
        elif self._gap_s:
            due = started + number * self._gap_s
            self._next = self._loop.call_at(due, self._send, pieces, number, started)
        else:
            # In the loop's next turn: in this one, all would leave as one packet.
            self._next = self._loop.call_soon(self._send, pieces, number, started)


async def serve(gap_s: float) -> None:
    """Take a free port of this machine, print it, and answer until SIGTERM."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Server(gap_s), "127.0.0.1", 0, backlog=BACKLOG)
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    print(server.sockets[0].getsockname()[1], flush=True)
    await ended.wait()
    server.close()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us.
    parser = argparse.ArgumentParser()
    parser.add_argument("--gap-ms", type=float, default=0.0)
    uvloop.run(serve(parser.parse_args().gap_ms / 1000))
