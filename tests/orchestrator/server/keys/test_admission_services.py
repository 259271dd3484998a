"""Whole services: several share limits and keys, batches keep to them, and there is a back door."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from types import SimpleNamespace
from typing import Any

import httpx
import openai
import pytest
from batch_lines import asked, client_of, written

from experts.errors import ConfigError, RequestError
from orchestrator.config.keys.section import KeyTerms
from orchestrator.keys.book import KeyBook
from orchestrator.server.keys import admission
from orchestrator.store.opening import open_store

PATIENCE_S = 10.0
BOSS = {"authorization": "Bearer sk-boss"}
KEYS = {"boss": {"key": "sk-boss", "admin": True}}
ANN = {"ann": {"key": "sk-ann"}}


async def ask(service: Any, model: str = "sums") -> int:
    body = {"model": model, "messages": [{"role": "user", "content": "2 + 3?"}], "max_tokens": 8}
    async with httpx.AsyncClient(base_url=service.base_url, timeout=PATIENCE_S) as http:
        headers = {"authorization": "Bearer sk-ann"}
        return (await http.post("/v1/chat/completions", json=body, headers=headers)).status_code


@pytest.fixture(params=["sqlite", "redis"])
def shared_store(request: pytest.FixtureRequest, tmp_path: Any) -> str:
    if request.param == "redis":
        return str(request.getfixturevalue("start_redis")().url)
    return f"sqlite:{tmp_path / 'shared.db'}"


async def test_two_gateways_keep_one_limit_together(start: Any, shared_store: str) -> None:
    keys = {"ann": {"key": "sk-ann", "requests_per_minute": 12}}
    both = [await start(keys, shared_store) for _ in range(2)]
    found = Counter(await asyncio.gather(*(ask(one) for one in both for _ in range(12))))
    assert found == {200: 12, 429: 12}


async def test_a_days_limit_outlives_the_gateway(start: Any, shared_store: str) -> None:
    keys = {"ann": {"key": "sk-ann", "tokens_per_day": 30}}  # A question and its answer have 9.
    first = await start(keys, shared_store)
    assert [await ask(first) for _ in range(2)] == [200, 200]
    await first.stop()
    second = await start(keys, shared_store)
    assert [await ask(second) for _ in range(2)] == [429, 429]


async def test_a_key_opens_every_gateway_soon(start: Any, shared_store: str) -> None:
    limits = {"refresh_s": 0.01}
    first, second = [await start(KEYS, shared_store, limits=limits) for _ in range(2)]
    async with httpx.AsyncClient(timeout=PATIENCE_S) as http, asyncio.timeout(PATIENCE_S):
        url = f"{first.base_url}/coterie/keys"
        made = await http.post(url, json={"name": "new"}, headers=BOSS)
        new = {"authorization": f"Bearer {made.json()['key']}"}
        models = f"{second.base_url}/v1/models"
        while (await http.get(models, headers=new)).status_code != 200:
            await asyncio.sleep(0)
        await http.delete(f"{url}/new", headers=BOSS)
        while (await http.get(models, headers=new)).status_code != 401:
            await asyncio.sleep(0)


async def test_requests_go_on_without_the_store(
    start: Any, start_redis: Any, caplog: pytest.LogCaptureFixture
) -> None:
    redis = start_redis()
    keys = {"ann": {"key": "sk-ann", "requests_per_minute": 3}}
    service = await start(keys, redis.url)
    redis.end()
    assert [await ask(service) for _ in range(4)] == [200, 200, 200, 429]
    assert caplog.text.count("limits of keys count on this gateway alone") == 1


async def test_a_listener_for_administrators(start: Any) -> None:
    service = await start(KEYS, admin={"port": 0})
    assert service.admin_url != service.base_url
    async with httpx.AsyncClient(timeout=PATIENCE_S) as http:
        for base, status in ((service.base_url, 404), (service.admin_url, 200)):
            answers = [
                await http.get(f"{base}/coterie/keys", headers=BOSS),
                await http.post(f"{base}/coterie/routers/fixed/reload", headers=BOSS),
            ]
            assert [answer.status_code for answer in answers] == [status, status]
        assert (await http.get(f"{service.admin_url}/coterie/keys")).status_code == 401


async def test_a_name_with_two_keys_stops_the_start(start: Any, shared_store: str) -> None:
    store = await open_store(shared_store)
    await KeyBook(store).create("ann", KeyTerms())
    await store.close()
    with pytest.raises(ConfigError, match=r"server\.api_keys\.ann: the store has a key"):
        await start(ANN, shared_store)


async def run_batch(service: Any, *lines: dict[str, Any]) -> list[Any]:
    """What came of each line: the status, and the error's code."""
    async with client_of(service, "sk-ann") as client, asyncio.timeout(PATIENCE_S):
        file = await client.files.create(file=written(*lines), purpose="batch")
        batch = await client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        while batch.status not in ("completed", "failed"):
            await asyncio.sleep(0.01)
            batch = await client.batches.retrieve(batch.id)
        return await results(client, batch)


async def results(client: openai.AsyncOpenAI, batch: Any) -> list[Any]:
    found: dict[str, Any] = {}
    for identifier in filter(None, (batch.output_file_id, batch.error_file_id)):
        for line in (await client.files.content(identifier)).text.splitlines():
            told = json.loads(line)
            body = (told["response"] or {}).get("body") or {}
            code = (body.get("error") or told["error"] or {}).get("code")
            found[told["custom_id"]] = (told["response"] or {}).get("status_code"), code
    return [found[name] for name in sorted(found)]


def lines(count: int, model: str = "sums") -> list[dict[str, Any]]:
    return [asked(str(n), model, "2 + 3?", max_tokens=8) for n in range(count)]


async def test_lines_wait_for_the_next_minute(
    start: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.now += seconds
        await asyncio.sleep(0)

    monkeypatch.setattr(admission, "asyncio", SimpleNamespace(sleep=sleep))
    service = await start({"ann": {"key": "sk-ann", "requests_per_minute": 1}})
    assert await run_batch(service, *lines(3)) == [(200, None)] * 3
    assert len(slept) >= 2


@pytest.mark.parametrize("terms", [{"tokens_per_day": 27}, {"price_per_day": 27 * 5e-6}])
async def test_lines_count_to_the_days_budget(start: Any, terms: Any) -> None:
    # A line has 9 tokens and reserves 14; at 5 dollars for a million of them.
    service = await start({"ann": {"key": "sk-ann", **terms}}, limits={"unstated_tokens": 1})
    for wanted in ([(200, None)], [(200, None)], [(429, "insufficient_quota")]):
        assert await run_batch(service, *lines(1)) == wanted
    assert await ask(service) == 429


async def test_lines_keep_to_the_models_of_their_key(start: Any) -> None:
    service = await start({"ann": {"key": "sk-ann", "models": ["sums"]}})
    found = await run_batch(service, *lines(1), asked("other", "cities", "2 + 3?"))
    assert found == [(200, None), (404, "model_not_found")]


async def test_lines_of_a_revoked_key_are_not_answered(start: Any) -> None:
    service = await start(KEYS)
    async with httpx.AsyncClient(base_url=service.base_url, timeout=PATIENCE_S) as http:
        made = await http.post("/coterie/keys", json={"name": "new"}, headers=BOSS)
        assert made.status_code == 200
        await http.delete("/coterie/keys/new", headers=BOSS)
    desk = service._context.batching.runner._parts[3]
    with pytest.raises(RequestError, match="was revoked"):
        desk.read(SimpleNamespace(body=lines(1)[0]["body"]), "/v1/chat/completions", "r", "new")
