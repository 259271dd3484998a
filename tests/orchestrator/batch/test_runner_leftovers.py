"""Whatever ends a batch, and whoever dies meanwhile: only what OpenAI keeps stays in the store."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from batch_lines import asked, written
from hypothesis import given, settings
from hypothesis import strategies as st
from mortal_gateway import MortalGateway, MortalStore, pieces

from experts.errors import BodyTooLarge, RequestError
from orchestrator.batch.batch import Batch
from orchestrator.batch.gateways import new_gateway
from orchestrator.store.memory_store import MemoryStore

PATIENCE_S = 20.0
ENDPOINT = "/v1/chat/completions"
LATER_S = 100.0
"""After so long, nobody thinks that a gateway that was killed still runs its batches."""
MODELS = st.sampled_from(["fine", "fine", "wrong", "refused", "no line"])


def content_of(models: list[str]) -> bytes:
    lines = [b"{" if m == "no line" else asked(f"q{n}", m, "?") for n, m in enumerate(models)]
    return written(*lines)


async def created(gateway: MortalGateway, content: bytes) -> Batch:
    file = await gateway.files.upload("ann", "x.jsonl", "batch", pieces(content))
    return await gateway.batches.create("ann", file.id, ENDPOINT, "24h", None)


async def settled(gateway: MortalGateway, store: MemoryStore, identifier: str) -> Batch:
    """The batch, once it has ended and nobody has anything to do."""
    async with asyncio.timeout(PATIENCE_S):
        while await store.items("open-batch:"):
            gateway.runner.look()
            await asyncio.sleep(0.005)
    return await gateway.batches.get("ann", identifier)


async def left_in(store: MemoryStore) -> tuple[set[str], set[str]]:
    """The keys of all values, and all logs."""
    query = "SELECT DISTINCT log FROM records"
    logs = await store._logs._run(lambda: store._logs._open().execute(query).fetchall())
    return {key for key, _ in await store.items("")}, {log for (log,) in logs}


async def size_of(store: MemoryStore, file: str) -> int:
    return int((await store.get(f"file:ann/{file}"))["bytes"])


async def check_leftovers(store: MemoryStore, batch: Batch) -> None:
    told = batch.to_json()
    names = ("input_file_id", "output_file_id", "error_file_id")
    files = {told[name] for name in names} - {None}
    keys, logs = await left_in(store)
    assert keys == {f"batch:ann/{batch.id}"} | {f"file:ann/{file}" for file in files}
    assert logs == {f"file:{file}" for file in files if await size_of(store, file)}


async def lines_of(gateway: MortalGateway, identifier: str | None) -> list[dict[str, Any]]:
    if identifier is None:
        return []
    info = await gateway.files.get("ann", identifier)
    raw = b"".join([piece async for piece in gateway.files.content(info)])
    return [json.loads(line) for line in raw.splitlines()]


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(st.lists(MODELS, min_size=1, max_size=6), st.integers(0, 60), st.booleans())
async def test_a_gateway_that_dies_at_any_moment_leaves_nothing_and_loses_no_line(
    models: list[str], calls: int, last_is_done: bool
) -> None:
    store = MemoryStore()
    maker = MortalGateway(new_gateway(), store, lambda: 0.0)
    maker.kill()  # It only makes the batch.
    batch = await created(maker, content_of(models))
    mortal = MortalStore(store, calls, last_is_done=last_is_done)
    first = MortalGateway(new_gateway(), mortal, lambda: 0.0)
    dead = asyncio.create_task(mortal.died.wait())
    ended = asyncio.create_task(settled(maker, store, batch.id))
    await asyncio.wait((dead, ended), return_when=asyncio.FIRST_COMPLETED)
    for task in (dead, ended):
        task.cancel()
    first.kill()
    second = MortalGateway(new_gateway(), store, lambda: LATER_S)
    batch = await settled(second, store, batch.id)
    second.kill()
    assert batch.status == "completed"
    assert batch.completed == models.count("fine")
    assert batch.completed + batch.failed == batch.total == len(models)
    assert batch.tokens.get("prompt_tokens", 0) == batch.completed
    told = batch.to_json()
    answers = await lines_of(second, told["output_file_id"])
    errors = await lines_of(second, told["error_file_id"])
    wanted = [f"q{n}" for n, model in enumerate(models) if model == "fine"]
    assert [line["custom_id"] for line in answers] == wanted
    assert len(errors) == len(models) - len(wanted)
    await check_leftovers(store, batch)
    await store.close()


@pytest.mark.parametrize(
    ("models", "status"),
    [
        (["fine", "wrong", "no line"], "completed"),
        ([], "failed"),
        (["fine", "broken"], "failed"),
        (["fine", "silent"], "cancelled"),
    ],
    ids=["completed", "failed", "given up", "cancelled"],
)
async def test_an_ended_batch_leaves_its_files(models: list[str], status: str) -> None:
    store = MemoryStore()
    gateway = MortalGateway(new_gateway(), store, lambda: 0.0)
    batch = await created(gateway, content_of(models))
    if status == "cancelled":
        async with asyncio.timeout(PATIENCE_S):
            while len(gateway.desk.asked) < 2:
                gateway.runner.look()
                await asyncio.sleep(0.005)
        await gateway.batches.cancel("ann", batch.id)
    batch = await settled(gateway, store, batch.id)
    assert batch.status == status
    await check_leftovers(store, batch)
    await gateway.runner.stop()
    await store.close()


async def test_an_upload_that_breaks_off_leaves_nothing() -> None:
    store = MemoryStore()
    gateway = MortalGateway(new_gateway(), store, lambda: 0.0)
    with pytest.raises(BodyTooLarge):
        await gateway.files.upload("ann", "x", "batch", pieces(bytes(2 << 20)))
    with pytest.raises(RequestError):
        await gateway.files.upload("ann", "x", "fine-tune", pieces(b"x"))
    assert await left_in(store) == (set(), set())
    await gateway.runner.stop()
    await store.close()


@pytest.mark.parametrize("why", ["old", "gone"])
async def test_an_upload_whose_gateway_dies_leaves_nothing(why: str) -> None:
    store = MemoryStore()
    name = new_gateway() if why == "old" else new_gateway().replace(" ", f" {2**30} ", 1)
    mortal = MortalStore(store, 3)
    first = MortalGateway(name, mortal, lambda: 0.0)
    first.kill()
    upload = asyncio.create_task(first.files.upload("ann", "x", "batch", pieces(b"x" * 600_000)))
    await mortal.died.wait()
    upload.cancel()
    assert await left_in(store) != (set(), set())
    soon = MortalGateway(new_gateway(), store, lambda: LATER_S)
    await soon.files.clear()
    assert (await left_in(store) == (set(), set())) == (why == "gone")
    later = MortalGateway(new_gateway(), store, lambda: 25 * 3600.0)
    await later.files.clear()
    assert await left_in(store) == (set(), set())
    for gateway in (soon, later):
        await gateway.runner.stop()
    await store.close()


async def test_an_answer_that_may_be_bettered_is_not_given_up_for_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orchestrator.batch.run.LONGEST_WAIT_S", 0.0)
    store = MemoryStore()
    gateway = MortalGateway(new_gateway(), store, lambda: 0.0)
    batch = await settled(gateway, store, (await created(gateway, content_of(["frail"]))).id)
    gateway.kill()
    assert (batch.completed, batch.failed) == (1, 0)
    assert len(gateway.desk.asked) > 1
