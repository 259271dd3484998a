"""Batches that are cancelled, whose Redis goes away or forgets, and of several gateways."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import openai
import pytest
from batch_lines import asked, client_of, written
from redis_process import replicated

TEXTS = ("2 + 3?", "9 - 4?", "Capital of Peru?")
ENDED = ("completed", "failed", "expired", "cancelled")
COUNT = 8000
LINES = [asked(f"q{n}", ("sums", "pool/fixed")[n % 2], TEXTS[n % 3]) for n in range(COUNT)]


async def begun(client: Any) -> str:
    """The id of a batch that has answered some lines."""
    file = await client.files.create(file=("x.jsonl", written(*LINES)), purpose="batch")
    batch = await client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    while not batch.request_counts.completed:
        batch = await client.batches.retrieve(batch.id)
    assert batch.request_counts.completed < COUNT
    return str(batch.id)


async def ended(client: Any, identifier: str) -> Any:
    while True:
        try:
            batch = await client.batches.retrieve(identifier)
        except openai.InternalServerError:  # Of a store that is away.
            await asyncio.sleep(0.05)
            continue
        if batch.status in ENDED:
            return batch


async def ids_of(client: Any, file: str) -> list[str]:
    text = (await client.files.content(file)).text
    return [json.loads(line)["custom_id"] for line in text.splitlines()]


@pytest.mark.slow
async def test_what_was_answered_before_a_cancel_is_kept(serve: Any) -> None:
    async with client_of(await serve(batches={"in_flight": 2})) as client:
        identifier = await begun(client)
        assert (await client.batches.cancel(identifier)).status == "cancelling"
        batch = await ended(client, identifier)
        assert batch.status == "cancelled"
        counts = batch.request_counts
        assert 0 < counts.completed < counts.total == COUNT
        assert len(await ids_of(client, batch.output_file_id)) == counts.completed
        assert (await client.batches.cancel(identifier)).status == "cancelled"


@pytest.mark.slow
async def test_a_batch_waits_for_its_redis_and_live_requests_do_not(
    serve: Any, start_redis: Any, caplog: pytest.LogCaptureFixture
) -> None:
    redis = start_redis(keeps=True)
    service = await serve(store=redis.url, batches={"in_flight": 2})
    async with client_of(service) as client:
        identifier = await begun(client)
        redis.end()
        answer = await client.chat.completions.create(
            model="sums", messages=[{"role": "user", "content": "2 + 3?"}]
        )
        assert answer.choices[0].message.content == "Five."
        with pytest.raises(openai.InternalServerError, match="Redis did not answer"):
            await client.batches.retrieve(identifier)
        while "for the store" not in caplog.text:
            await asyncio.sleep(0.05)
        redis.start()
        batch = await ended(client, identifier)
        assert batch.request_counts.completed == COUNT
        assert await ids_of(client, batch.output_file_id) == [one["custom_id"] for one in LINES]


@pytest.mark.slow
async def test_another_gateway_goes_on_where_one_has_stopped(serve: Any, redis_url: str) -> None:
    first = await serve(store=redis_url, batches={"in_flight": 2})
    second = await serve(store=redis_url, batches={"in_flight": 2})
    async with client_of(first) as one, client_of(second) as other:
        identifier = await begun(one)
        await first.stop()
        batch = await ended(other, identifier)
        assert batch.request_counts.completed == COUNT
        assert await ids_of(other, batch.output_file_id) == [one["custom_id"] for one in LINES]


@pytest.mark.slow
async def test_a_service_that_drains_leaves_its_batch_to_another(
    serve: Any, redis_url: str
) -> None:
    """Before anything else stops: lines whose expert is loaded no more would count as failed."""
    keys = {"store": redis_url, "batches": {"in_flight": 2}}
    first = await serve(**keys)
    async with client_of(first) as client:
        identifier = await begun(client)
    assert await first.drain() == 0
    async with client_of(await serve(**keys)) as client:
        batch = await ended(client, identifier)
    assert (batch.request_counts.completed, batch.request_counts.failed) == (COUNT, 0)


@pytest.mark.slow
async def test_a_gateway_that_is_taken_out_leaves_its_batch_until_it_is_back(serve: Any) -> None:
    service = await serve(batches={"in_flight": 2})
    async with (
        client_of(service) as client,
        httpx.AsyncClient(base_url=service.base_url, trust_env=False) as http,
    ):
        identifier = await begun(client)
        for _ in range(2):  # Twice is no more than once.
            told = (await http.post("/coterie/drain")).json()
            assert told == {"draining": True, "in_flight": 0}
        before = (await client.batches.retrieve(identifier)).request_counts
        after = (await client.batches.retrieve(identifier)).request_counts
        assert before == after
        assert (await http.delete("/coterie/drain")).json()["draining"] is False
        batch = await ended(client, identifier)
        assert (batch.request_counts.completed, batch.request_counts.failed) == (COUNT, 0)


@pytest.mark.slow
async def test_of_two_gateways_one_runs_a_batch(serve: Any, redis_url: str) -> None:
    first = await serve(store=redis_url, batches={"in_flight": 2})
    second = await serve(store=redis_url, batches={"in_flight": 2})
    async with client_of(first) as one, client_of(second) as other:
        identifier = await begun(one)
        batch = await ended(other, identifier)
        assert batch.request_counts.completed == COUNT
        assert await ids_of(other, batch.output_file_id) == [line["custom_id"] for line in LINES]
        answered = [await answered_by(service) for service in (first, second)]
    assert sorted(answered) == [0, COUNT]


async def answered_by(service: Any) -> int:
    """How many requests a gateway has answered."""
    async with httpx.AsyncClient() as http:
        text = (await http.get(f"{service.base_url}/metrics")).text
    counts = [line for line in text.splitlines() if line.startswith("coterie_requests_total{")]
    return sum(int(float(line.rpartition(" ")[2])) for line in counts)


@pytest.mark.slow
async def test_what_a_new_primary_lacks_is_answered_again(
    serve: Any, start_redis: Any, caplog: pytest.LogCaptureFixture
) -> None:
    primary, replica, url = replicated(start_redis)
    async with client_of(await serve(store=url, batches={"in_flight": 2})) as client:
        identifier = await begun(client)
        replica.tell("REPLICAOF", "NO", "ONE")  # From now on it gets nothing more.
        log = f"coterie:log:batch:{identifier}:results"
        while primary.tell("HLEN", log) < replica.tell("HLEN", log) + 20:
            await asyncio.sleep(0.01)
        primary.end()
        batch = await ended(client, identifier)
        assert batch.request_counts.completed == COUNT
        assert await ids_of(client, batch.output_file_id) == [one["custom_id"] for one in LINES]
    assert f"{identifier} goes on from what the store has not lost" in caplog.text
    assert "Redis has lost the last" in caplog.text


@pytest.mark.slow
async def test_a_batch_that_redis_has_forgotten_ends_and_others_begin(
    serve: Any, start_redis: Any, caplog: pytest.LogCaptureFixture
) -> None:
    redis = start_redis()  # It keeps nothing.
    async with client_of(await serve(store=redis.url, batches={"in_flight": 2})) as client:
        identifier = await begun(client)
        redis.end()
        redis.start()
        while f"{identifier} goes on from" not in caplog.text:
            await asyncio.sleep(0.05)
        with pytest.raises(openai.NotFoundError):
            await client.batches.retrieve(identifier)
        other = await ended(client, await begun(client))
        assert other.request_counts.completed == COUNT


@pytest.mark.slow
async def test_a_redis_that_is_full_lets_a_batch_wait(
    serve: Any, start_redis: Any, caplog: pytest.LogCaptureFixture
) -> None:
    redis = start_redis()
    async with client_of(await serve(store=redis.url, batches={"in_flight": 2})) as client:
        identifier = await begun(client)
        redis.tell("CONFIG", "SET", "maxmemory", "1")
        while f"{identifier} waits for the store" not in caplog.text:
            await asyncio.sleep(0.05)
        assert "Raise its `maxmemory`" in caplog.text
        with pytest.raises(openai.InternalServerError, match="maxmemory"):
            await client.files.create(file=b"{}", purpose="batch")
        answer = await client.chat.completions.create(
            model="sums", messages=[{"role": "user", "content": "2 + 3?"}]
        )
        assert answer.choices[0].message.content == "Five."
        redis.tell("CONFIG", "SET", "maxmemory", "0")
        batch = await ended(client, identifier)
        assert batch.request_counts.completed == COUNT
