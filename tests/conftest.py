"""What all tests share: no network but this machine's, and a scripted OpenAI-compatible server."""

import asyncio
import gzip
import json
import os
import shutil
import socket
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from aiohttp import web
from hypothesis import settings
from redis_process import RedisServer

LOOPBACK = ("127.", "localhost", "::1", "::ffff:127.")
PATIENCE_S = 10.0
"""No event of a test takes longer; one that does is a failure, not a hang."""


@pytest.fixture(autouse=True, scope="session")
def only_loopback() -> Iterator[None]:
    """A test that reaches for another machine fails. UDP's connect sends nothing and may pass."""
    connect = socket.socket.connect

    def guarded(sock: socket.socket, address: Any) -> None:
        internet = sock.family in (socket.AF_INET, socket.AF_INET6)
        if internet and sock.type == socket.SOCK_STREAM and not address[0].startswith(LOOPBACK):
            raise RuntimeError(f"A test wants to connect to {address}.")
        connect(sock, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield


@pytest.fixture(autouse=True, scope="session")
def state_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Services that tests start keep nothing in the home of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def redis_binary() -> str:
    """The path of redis-server."""
    binary = shutil.which("redis-server")
    if binary is None:
        installable = shutil.which("apt-get") is not None and os.getuid() == 0
        # The same question that deploy/install-redis.sh asks.
        (pytest.fail if installable else pytest.skip)("redis-server is missing: `make redis`")
    assert binary is not None
    return binary


@pytest.fixture(scope="session")
def start_redis(
    redis_binary: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., RedisServer]]:
    with ExitStack() as stack:

        def start(**keys: Any) -> RedisServer:
            server = RedisServer(redis_binary, tmp_path_factory.mktemp("redis"), **keys)
            stack.callback(server.end)
            return server

        yield start


@pytest.fixture(scope="session")
def redis_url(start_redis: Callable[..., RedisServer]) -> str:
    """The server that most tests share; every test has its own keys in it."""
    return start_redis().url


class Upstream:
    """An OpenAI-compatible server that does what the last user message, or the first prompt, says.

    Of a message with a line `MODEL: ...` for its model, it does what that line says.

    `say TEXT`: that; `event DATA`: one event with that data, or that body, whatever it is;
    `stream N`: N chunks (also the default, with 3); `hold KEY`: headers and one chunk, then
    silence; `silent KEY`: not even headers; `drop`: the connection breaks before the first byte;
    `drop-once KEY`: only the first time; `cut`: it breaks after two chunks; `cut-error`: an error
    event after one chunk; `unfinished`: two chunks and an orderly end without [DONE]; `refuse
    NAME`: an error from REFUSALS; `packed`: gzip for a client that accepts it.
    """

    def __init__(self) -> None:
        self.base_url = ""
        self.asked: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self._events: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def saw(self, event: str) -> None:
        """Wait for `began KEY` or `aborted KEY`."""
        await asyncio.wait_for(self._events[event].wait(), PATIENCE_S)

    def release(self, key: str) -> None:
        """Let `hold KEY` or `silent KEY` go on."""
        self._events[f"release {key}"].set()

    async def answer(self, http: web.Request) -> web.StreamResponse:
        """Chat completions and completions."""
        body = await http.json()
        self.bodies.append(body)
        self.headers.append(dict(http.headers))
        script = _script_of(body)
        self.asked[script] += 1
        verb, _, argument = script.partition(" ")
        if verb == "drop" or (verb == "drop-once" and self.asked[script] == 1):
            assert http.transport is not None
            http.transport.abort()
            return web.Response()
        if verb == "refuse":
            status, error = REFUSALS[argument]
            return web.json_response(error, status=status)
        if verb == "silent":
            await self._wait(argument)
        if not body.get("stream"):
            return await self._whole(http, body, verb, argument)
        try:
            return await self._stream(http, body, verb, argument)
        except ConnectionResetError:
            # Whoever asked may be gone before the first chunk is written.
            self._events[f"aborted {argument}"].set()
            raise

    async def _whole(
        self, http: web.Request, body: dict[str, Any], verb: str, argument: str
    ) -> web.StreamResponse:
        if verb == "hold":
            await self._wait(argument)
        if verb == "event":
            return web.Response(body=argument.encode(), content_type="application/json")
        if verb == "packed" and "gzip" in http.headers.get("accept-encoding", ""):
            headers = {"content-type": "application/json", "content-encoding": "gzip"}
            return web.Response(body=gzip.compress(WHOLE), headers=headers)
        if verb == "cut":
            response = web.StreamResponse(headers={"content-length": str(len(WHOLE))})
            await response.prepare(http)
            await response.write(WHOLE[:20])
            assert http.transport is not None
            http.transport.abort()
            return response
        if verb == "say":
            tree = json.loads(WHOLE)
            tree["choices"][0]["message"]["content"] = argument
            return web.json_response(tree)
        return web.Response(body=WHOLE, content_type="application/json")

    async def _stream(
        self, http: web.Request, body: dict[str, Any], verb: str, argument: str
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(http)
        count = int(argument) if verb == "stream" else 0 if verb in ("say", "event") else 3
        chat = "messages" in body
        if verb == "say":
            await response.write(_said(argument, chat))
        if verb == "event":
            await response.write(b"data: " + argument.encode() + b"\n\n")
        for number in range(count):
            await response.write(_chunk(number, chat))
            if verb == "hold":
                await self._wait(argument)
            if verb == "cut" and number == 1:
                assert http.transport is not None
                http.transport.abort()
                return response
            if verb == "cut-error":
                await response.write(b'data: {"error": {"message": "engine died"}}\n\n')
                return response
            if verb == "unfinished" and number == 1:
                return response
        await response.write(_last_chunk(count + (verb == "say"), chat))
        if (body.get("stream_options") or {}).get("include_usage"):
            await response.write(_event({"choices": [], "usage": USAGE}))
        await response.write(b"data: [DONE]\n\n")
        return response

    async def _wait(self, key: str) -> None:
        self._events[f"began {key}"].set()
        try:
            await asyncio.wait_for(self._events[f"release {key}"].wait(), PATIENCE_S)
        except asyncio.CancelledError:
            self._events[f"aborted {key}"].set()
            raise


USAGE = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
WHOLE = (
    b'{"id": "cmpl-1", "object": "chat.completion", "created": 1700000000, "model": "tiny-model",'
    b' "choices": [{"index": 0, "message": {"role": "assistant", "content": "w\xc3\xb6rd"},'
    b' "finish_reason": "stop"}], "usage": {"prompt_tokens": 5, "completion_tokens": 3,'
    b' "total_tokens": 8}, "kv_transfer_params": null}\n'
)
CONTEXT_MESSAGE = (
    "This model's maximum context length is 1024 tokens. However, you requested 8 output tokens"
    " and your prompt contains 1030 input tokens."
)
COUNTING_STOPPED = (
    "This model's maximum context length is 1024 tokens. However, you requested 8 output tokens"
    " and your prompt contains at least 1025 input tokens."
)
REFUSALS: dict[str, tuple[int, Any]] = {
    "field": (
        400,
        {"error": {"message": "bad n", "type": "BadRequestError", "param": "n", "code": 400}},
    ),
    "context": (
        400,
        {
            "error": {
                "message": CONTEXT_MESSAGE,
                "type": "BadRequestError",
                "param": None,
                "code": 400,
            }
        },
    ),
    "context-at-least": (400, {"error": {"message": COUNTING_STOPPED, "code": 400}}),
    "coded": (429, {"error": {"message": "slow down", "code": "rate_limited"}}),
    "broken": (500, {"error": {"message": "it broke", "type": "InternalServerError"}}),
    "plain": (400, "not what you think"),
}


def _script_of(body: dict[str, Any]) -> str:
    asked = body["messages"][-1]["content"] if "messages" in body else body["prompt"]
    text = str(asked[0] if isinstance(asked, list) and "prompt" in body else asked)
    own = [line for line in text.splitlines() if line.startswith(f"{body.get('model')}: ")]
    return own[0].partition(": ")[2] if own else text


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def _chunk(number: int, chat: bool) -> bytes:
    return _said(f"w\u00f6rd{number} ", chat)


def _said(text: str, chat: bool) -> bytes:
    piece = {"delta": {"content": text}} if chat else {"text": text}
    choice = {"index": 0, **piece, "finish_reason": None}
    return _event({"id": "cmpl-1", "created": 1, "model": "tiny-model", "choices": [choice]})


def _last_chunk(count: int, chat: bool) -> bytes:
    piece: dict[str, Any] = {"delta": {}} if chat else {"text": ""}
    choice = {"index": 0, **piece, "finish_reason": "stop" if count else "length"}
    return _event({"id": "cmpl-1", "created": 1, "model": "tiny-model", "choices": [choice]})


async def _tokenize(http: web.Request) -> web.Response:
    body = await http.json()
    return web.json_response({"tokens": [1, 2, 3], "count": 1500, "model": body["model"]})


ENGINE_METRICS = """# HELP vllm:num_requests_running Number of requests.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",expert="hosted",model_name="hosted"} 2.0
"""


async def _metrics(http: web.Request) -> web.Response:
    return web.Response(text=ENGINE_METRICS)


async def _detokenize(http: web.Request) -> web.Response:
    """Ids are the characters' numbers; 0 is no token."""
    tokens = (await http.json())["tokens"]
    if 0 in tokens:
        return web.json_response({"error": {"message": "no such token", "code": 400}}, status=400)
    return web.json_response({"prompt": "".join(map(chr, tokens))})


@pytest.fixture(scope="session")
async def upstream() -> AsyncIterator[Upstream]:
    """The scripted server, running; its `base_url` ends with /v1."""
    scripted = Upstream()
    application = web.Application()
    for prefix in ("/v1", "/e/{expert}/v1"):  # As a remote server, and as a slot.
        application.router.add_post(f"{prefix}/chat/completions", scripted.answer)
        application.router.add_post(f"{prefix}/completions", scripted.answer)
    application.router.add_post("/tokenize", _tokenize)
    application.router.add_get("/metrics", _metrics)
    application.router.add_post("/e/{expert}/detokenize", _detokenize)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    scripted.base_url = "http://{}:{}/v1".format(*runner.addresses[0][:2])
    yield scripted
    await runner.cleanup()


# The same examples on every machine and in every run; `--hypothesis-profile=quick` takes fewer.
# Without a deadline: how long an example takes is a matter of who else uses the machine.
settings.register_profile("fixed", derandomize=True, database=None, deadline=None)
settings.register_profile("quick", settings.get_profile("fixed"), max_examples=20)
settings.load_profile("fixed")

# Tiny models gain nothing from a second thread, and on a busy machine they wait for it. Engines
# set their own number of threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
