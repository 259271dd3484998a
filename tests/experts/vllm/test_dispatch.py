"""The slot's HTTP front: who may enter, what is resident, and requests that must end."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import pytest

from experts.vllm.dispatch import ASKED_MODEL, Dispatcher


class Client:
    """One ASGI request, and what was sent to answer it."""

    def __init__(
        self, path: str = "/e/law/v1/models", method: str = "POST", **headers: str
    ) -> None:
        named = [(name.replace("_", "-").encode(), v.encode()) for name, v in headers.items()]
        self.scope = {"type": "http", "path": path, "method": method, "headers": named}
        self.sent: list[dict[str, Any]] = []

    async def send(self, event: dict[str, Any]) -> None:
        """As a server does: an answer begins once."""
        begun = any(e["type"] == "http.response.start" for e in self.sent)
        if begun and event["type"] == "http.response.start":
            raise RuntimeError("the response has started already")
        self.sent.append(event)

    async def ask(self, dispatcher: Dispatcher) -> None:
        await dispatcher(self.scope, None, self.send)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])


class App:
    """Notes what it is asked; with `hold`, it begins to answer only where told, and waits."""

    def __init__(self, hold: bool = False, begin: bool = False) -> None:
        self.asked: list[tuple[str, str | None]] = []
        self.entered = asyncio.Event()
        self._hold, self._begin = hold, begin

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append((scope["path"], ASKED_MODEL.get()))
        if self._begin or not self._hold:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        self.entered.set()
        if self._hold:
            await asyncio.Event().wait()
        await send({"type": "http.response.body", "body": b"done"})


async def test_a_request_goes_to_its_expert_under_the_path_that_follows() -> None:
    app, dispatcher = App(), Dispatcher()
    dispatcher.add(["law", "tuned"], app)
    for path in ("/e/law/v1/models", "/e/tuned/health"):
        await Client(path, x_coterie_model="pool/auto").ask(dispatcher)
    assert app.asked == [("/v1/models", "pool/auto"), ("/health", "pool/auto")]


@pytest.mark.parametrize("path", ["/e/other/v1/models", "/v1/models", "/", "/x/law/v1"])
async def test_who_is_not_resident_is_unavailable(path: str) -> None:
    client, dispatcher = Client(path), Dispatcher()
    dispatcher.add(["law"], App())
    await client.ask(dispatcher)
    assert client.status == 503


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": "Bearer secret"}, 200),
        ({"authorization": "Bearer secre"}, 401),
        ({"authorization": "secret"}, 401),
        ({}, 401),
    ],
)
async def test_with_a_token_only_its_bearer_enters(headers: dict[str, str], status: int) -> None:
    client, dispatcher, app = Client(**headers), Dispatcher(), App()
    dispatcher.add(["law"], app)
    dispatcher.protect("secret")
    await client.ask(dispatcher)
    assert client.status == status
    assert len(app.asked) == (status == 200)


async def test_a_request_without_an_answer_yet_is_told_that_its_expert_left() -> None:
    client, dispatcher, app = Client(), Dispatcher(), App(hold=True)
    dispatcher.add(["law"], app)
    asking = asyncio.create_task(client.ask(dispatcher))
    await app.entered.wait()
    await dispatcher.remove(["law"])
    await asking
    assert client.status == 503
    assert b"had to leave" in client.sent[1]["body"]


async def test_an_answer_that_has_begun_breaks_off_when_its_expert_leaves() -> None:
    client, dispatcher, app = Client(), Dispatcher(), App(hold=True, begin=True)
    dispatcher.add(["law"], app)
    asking = asyncio.create_task(client.ask(dispatcher))
    await app.entered.wait()
    await dispatcher.remove(["law"])
    with pytest.raises(RuntimeError, match="started already"):  # So the server hangs up.
        await asking
    assert [event["type"] for event in client.sent] == ["http.response.start"]


async def test_a_client_that_hangs_up_is_no_abort() -> None:
    client, dispatcher, app = Client(), Dispatcher(), App(hold=True)
    dispatcher.add(["law"], app)
    asking = asyncio.create_task(client.ask(dispatcher))
    await app.entered.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert client.sent == []


async def test_requests_of_other_experts_go_on() -> None:
    client, dispatcher, app = Client("/e/maths/v1"), Dispatcher(), App(hold=True)
    dispatcher.add(["maths"], app)
    dispatcher.add(["law"], App())
    asking = asyncio.create_task(client.ask(dispatcher))
    await app.entered.wait()
    await dispatcher.remove(["law"])
    assert not asking.done()
    await dispatcher.remove(["maths"])
    await asking


async def test_the_application_sees_the_context_around_its_request() -> None:
    # The stepper is told through it that the request has arrived; else every step waits for it.
    around: ContextVar[str] = ContextVar("around", default="nothing")

    @contextmanager
    def entered() -> Iterator[None]:
        token = around.set("the request")
        yield
        around.reset(token)

    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(around.get())
        await send({"type": "http.response.start", "status": 200, "headers": []})

    dispatcher = Dispatcher(entered)
    dispatcher.add(["law"], app)
    await Client().ask(dispatcher)
    assert seen == ["the request"]


async def test_an_answer_tells_how_long_others_held_it_up() -> None:
    worked = iter([3.0, 3.0])
    client, dispatcher = Client(), Dispatcher()
    dispatcher.add(["law"], App(), lambda: next(worked))
    await client.ask(dispatcher)
    start, body = client.sent
    assert start["type"] == "http.response.start"
    assert body["body"] == b"done"
    waited_ms = float(dict(start["headers"])[b"x-coterie-slot-wait-ms"])
    assert 0 <= waited_ms < 1000


async def test_what_its_own_engine_worked_is_no_wait() -> None:
    worked = iter([3.0, 1e6])
    client, dispatcher = Client(), Dispatcher()
    dispatcher.add(["law"], App(), lambda: next(worked))
    await client.ask(dispatcher)
    assert dict(client.sent[0]["headers"])[b"x-coterie-slot-wait-ms"] == b"0.00"


async def test_an_answer_that_had_not_begun_when_its_expert_left_is_an_error() -> None:
    app, client, dispatcher = App(hold=True, begin=True), Client(), Dispatcher()
    dispatcher.add(["law"], app, lambda: 0.0)
    asked = asyncio.create_task(client.ask(dispatcher))
    await app.entered.wait()
    await dispatcher.remove(["law"])
    await asked
    assert client.status == 503


async def test_metrics_are_told_to_whoever_may_enter() -> None:
    async def metrics() -> bytes:
        return b"vllm:x 1\n"

    dispatcher = Dispatcher(metrics=metrics)
    dispatcher.protect("token")
    stranger, ours = (
        Client("/metrics", "GET"),
        Client("/metrics", "GET", authorization="Bearer token"),
    )
    await stranger.ask(dispatcher)
    await ours.ask(dispatcher)
    assert (stranger.status, ours.status) == (401, 200)
    assert ours.sent[-1]["body"] == b"vllm:x 1\n"
