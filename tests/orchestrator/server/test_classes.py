"""Request classes over HTTP: who chooses one, in which order, and whom it reaches."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import Any

import openai
import pytest

from experts.errors import TooManyRequests
from orchestrator.config.model import ServerConfig
from orchestrator.server.classes import refuse_overload

HI = [{"role": "user", "content": "stream 3"}]


class Leases:
    """The classes with which the pool was asked."""

    def __init__(self, pool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.classes: list[str] = []
        self._lease = pool.lease
        monkeypatch.setattr(pool, "lease", self.lease)

    async def lease(self, expert: str, request_class: str, **more: Any) -> Any:
        self.classes.append(request_class)
        return await self._lease(expert, request_class, **more)


@pytest.fixture(scope="session")
async def slow_gateway(serve: Any) -> Any:
    """A gateway with a class of its own, which one composition has."""
    return await serve(
        classes={"slow": {"max_wait_s": 60}},
        compositions={
            "pool/auto": {"router": "one", "about": "asks tiny"},
            "pool/slow": {"router": "one", "class": "slow"},
        },
    )


@pytest.fixture
async def batch_client(slow_gateway: Any) -> AsyncIterator[openai.AsyncOpenAI]:
    """OpenAI's client on the base path for batches."""
    async with openai.AsyncOpenAI(
        base_url=f"{slow_gateway.base_url}/batch/v1", api_key="none", max_retries=0
    ) as client:
        yield client


async def _class(gateway: Any, path: str, model: str, **body: Any) -> str:
    asked = {"model": model, "messages": HI, **body}
    answer = await gateway.http.post(f"{path}/chat/completions", json=asked)
    assert answer.status_code == 200
    return str(answer.headers["x-coterie-class"])


@pytest.mark.parametrize(
    ("path", "model", "body", "expected"),
    [
        ("/v1", "tiny", {}, "interactive"),
        ("/v1", "pool/auto", {}, "interactive"),
        ("/v1", "pool/slow", {}, "slow"),
        ("/batch/v1", "pool/slow", {}, "batch"),
        ("/batch/v1", "pool/slow", {"coterie": {"class": "slow"}}, "slow"),
        ("/v1", "tiny", {"coterie": {"class": "batch"}}, "batch"),
        ("/v1", "pool/slow", {"coterie": {"class": "interactive"}, "stream": True}, "interactive"),
        ("/e/tiny/v1", "x", {"coterie": {"class": "batch"}}, "batch"),
    ],
)
async def test_the_nearest_choice_counts(
    slow_gateway: Any, path: str, model: str, body: dict[str, Any], expected: str
) -> None:
    assert await _class(slow_gateway, path, model, **body) == expected


async def test_the_pool_learns_the_class(
    slow_gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    leases = Leases(slow_gateway.pool, monkeypatch)
    await slow_gateway.chat("x", coterie={"class": "batch"})
    await slow_gateway.http.post("/e/tiny/tokenize", json={"prompt": "x"})
    assert leases.classes == ["batch", "interactive"]


@pytest.mark.parametrize("path", ["/v1", "/batch/v1", "/e/tiny/v1"])
async def test_an_unknown_class_is_refused_with_the_known_ones(
    slow_gateway: Any, path: str
) -> None:
    body = {"model": "tiny", "messages": HI, "coterie": {"class": "fast"}}
    answer = await slow_gateway.http.post(f"{path}/chat/completions", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, "coterie.class")
    assert error["message"] == (
        "There is no request class `fast`. Known classes: interactive, batch, slow."
    )


async def test_a_class_is_a_name(gateway: Any) -> None:
    answer = await gateway.chat("x", coterie={"class": 3})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "coterie.class")


async def test_the_answer_names_its_class(gateway: Any) -> None:
    answer = (await gateway.chat("x", coterie={"class": "batch"})).json()
    assert answer["coterie"]["class"] == "batch"


async def test_openais_client_works_on_the_path_for_batches(
    batch_client: openai.AsyncOpenAI,
) -> None:
    answer = await batch_client.chat.completions.create(model="pool/auto", messages=HI)
    assert answer.model_extra["coterie"]["class"] == "batch"
    text = await batch_client.completions.create(model="tiny", prompt="x", stream=True)
    assert len([chunk async for chunk in text]) == 4
    models = [model.id async for model in batch_client.models.list()]
    assert "pool/auto" in models
    assert (await batch_client.models.retrieve("pool/auto")).id == "pool/auto"


async def test_metrics_tell_the_classes_apart(serve: Any) -> None:
    gateway = await serve()
    await gateway.chat("x")
    await gateway.chat("x", coterie={"class": "batch"})
    await gateway.settled()
    text = (await gateway.http.get("/metrics")).text
    for name in ("interactive", "batch"):
        labels = f'class="{name}",expert="tiny"'
        assert f'coterie_requests_total{{{labels},model="tiny",status="200"}} 1.0' in text
        assert f"coterie_first_byte_seconds_count{{{labels}}} 1.0" in text


@pytest.mark.parametrize(
    ("request_class", "in_flight", "refused"),
    [("batch", 8, False), ("batch", 9, True), ("slow", 9, False), ("interactive", 10, False)],
)
def test_batches_leave_the_last_places_to_others(
    slow_gateway: Any, request_class: str, in_flight: int, refused: bool
) -> None:
    server = ServerConfig(max_in_flight=10, batch_share=0.8)
    config = slow_gateway.context.config.model_copy(update={"server": server})
    with pytest.raises(TooManyRequests) if refused else nullcontext():
        refuse_overload(config, request_class, in_flight)


async def test_overload_sheds_batches_first(serve: Any, upstream: Any) -> None:
    gateway = await serve(server={"max_in_flight": 3, "batch_share": 0.5})
    first = asyncio.create_task(gateway.chat("silent shed-first"))
    await upstream.saw("began shed-first")
    body = {"model": "tiny", "messages": HI}
    for path, more in (("/batch/v1", {}), ("/v1", {"coterie": {"class": "batch"}})):
        answer = await gateway.http.post(f"{path}/chat/completions", json={**body, **more})
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "too_many_requests")
        assert answer.headers["retry-after"]
    assert (await gateway.chat("stream 1")).status_code == 200
    upstream.release("shed-first")
    await first


async def test_a_queued_batch_request_gives_its_place_away(serve: Any, upstream: Any) -> None:
    narrow = {"max_in_flight": 1, "max_queued": 1}
    remote = {"type": "openai", "base_url": upstream.base_url, "model": "tiny-model"}
    gateway = await serve({"narrow": {**remote, **narrow}})
    first = asyncio.create_task(gateway.chat("silent place", "narrow"))
    await upstream.saw("began place")
    batch = asyncio.create_task(gateway.chat("x", "narrow", coterie={"class": "batch"}))
    async with asyncio.timeout(10):
        while gateway.pool.snapshot()["queued"]["narrow"] != 1:
            await asyncio.sleep(0)
    online = asyncio.create_task(gateway.chat("x", "narrow"))
    refused = await batch
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "expert_overloaded")
    assert refused.headers["retry-after"]
    upstream.release("place")
    assert [(await one).status_code for one in (first, online)] == [200, 200]
