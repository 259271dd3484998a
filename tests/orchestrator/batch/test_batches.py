"""Files and batches as the real client sees them, over recorded answers."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import openai
import pytest
from batch_lines import asked, client_of, written

from orchestrator.batch.files import CHUNK_BYTES, FileInfo, Files
from orchestrator.server.batch.desk import BatchDesk

ENDED = ("completed", "failed", "expired", "cancelled")


async def ended(client: Any, identifier: str) -> Any:
    async with asyncio.timeout(20):
        while (batch := await client.batches.retrieve(identifier)).status not in ENDED:
            await asyncio.sleep(0.02)
    return batch


async def run(client: Any, content: bytes, endpoint: str = "/v1/chat/completions") -> Any:
    file = await client.files.create(file=("lines.jsonl", content), purpose="batch")
    batch = await client.batches.create(
        input_file_id=file.id, endpoint=endpoint, completion_window="24h"
    )
    return await ended(client, batch.id)


async def lines_of(client: Any, identifier: str | None) -> list[dict[str, Any]]:
    if identifier is None:
        return []
    text = (await client.files.content(identifier)).text
    return [json.loads(line) for line in text.splitlines()]


async def test_models_of_every_kind_in_one_file(serve: Any) -> None:
    async with client_of(await serve()) as client:
        batch = await run(
            client,
            written(
                asked("b", "sums", "2 + 3?"),
                asked("a", "pool/fixed", "Capital of Peru?"),
                asked("c", "cities", "9 - 4?"),
            ),
        )
        assert batch.status == "completed"
        assert batch.request_counts.model_dump() == {"total": 3, "completed": 3, "failed": 0}
        usage = batch.usage
        assert usage.total_tokens == usage.input_tokens + usage.output_tokens == 27
        assert usage.input_tokens_details.cached_tokens == 0
        lines = await lines_of(client, batch.output_file_id)
        assert [line["custom_id"] for line in lines] == ["b", "a", "c"]
        assert [line["response"]["status_code"] for line in lines] == [200] * 3
        bodies = [line["response"]["body"] for line in lines]
        said = [body["choices"][0]["message"]["content"] for body in bodies]
        assert said == ["Five.", "Lima.", "Rome?"]
        assert bodies[1]["coterie"]["expert"] == "cities"
        assert batch.error_file_id is None
        # Nothing of this pool is loaded, and what its experts take is not predicted.
        assert batch.coterie["predicted"] == {
            "loads": 0,
            "seconds": 0.0,
            "unknown": ["cities", "sums"],
        }
        assert batch.coterie["real"]["loads"] == 0


def nested(depth: int) -> Any:
    found: Any = "x"
    for _ in range(depth):
        found = {"x": found}
    return found


async def test_a_bad_line_is_an_error_and_the_others_go_on(serve: Any) -> None:
    bad = [
        b"{",
        b"[]",
        b'"\xff"',
        b"[" * 100_000,
        b'{"custom_id": "deep", "body": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        asked("nested", "sums", "2 + 3?", metadata=nested(400)),
        asked("half", "sums", "\ud800"),
        asked("\ud800", "sums", "2 + 3?"),
        b'{"custom_id": "twice", "method": "POST", "url": "/v1/chat/completions", "body":'
        b' {"model": "sums", "messages": [{"role": "user", "content": "a", "content": "b"}]}}',
        {**asked("x", "sums", "2 + 3?"), "url": "/v1/completions"},
        {**asked("x", "sums", "2 + 3?"), "method": "GET"},
        {**asked("", "sums", "2 + 3?")},
        {**asked("x", "sums", "2 + 3?"), "what": 1},
        asked("stream", "sums", "2 + 3?", stream=True),
        asked("nobody", "nobody", "2 + 3?"),
        asked("odd", "sums", "2 + 3?", temperature=9),
    ]
    async with client_of(await serve()) as client:
        batch = await run(client, written(*bad, asked("good", "sums", "2 + 3?")))
        assert batch.status == "completed"
        counts = {"total": len(bad) + 1, "completed": 1, "failed": len(bad)}
        assert batch.request_counts.model_dump() == counts
        (good,) = await lines_of(client, batch.output_file_id)
        assert good["custom_id"] == "good"
        errors = await lines_of(client, batch.error_file_id)
        assert len(errors) == len(bad)
        told = {line["custom_id"]: line for line in errors}
        assert told["stream"]["error"]["param"] == "body.stream"
        assert told["nobody"]["response"]["status_code"] == 404
        # As the endpoint would have refused them: one shape, whenever it is found out.
        assert told["odd"]["error"] is None
        assert told["odd"]["response"]["status_code"] == 400
        assert told["odd"]["response"]["body"]["error"]["param"] == "temperature"
        assert told["half"]["error"]["param"] == "body.messages[0].content"
        assert told["\ud800"]["error"]["param"] == "custom_id"
        assert told["twice"]["error"]["param"] == "body.messages[0].content"
        assert [line["error"]["line"] for line in errors if line["error"]][:3] == [1, 2, 3]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"\n \r\n", "empty_file"),
        (
            written(asked("a", "sums", "2 + 3?"), asked("a", "sums", "9 - 4?")),
            "duplicate_custom_id",
        ),
    ],
)
async def test_a_file_that_is_useless(serve: Any, content: bytes, code: str) -> None:
    async with client_of(await serve()) as client:
        batch = await run(client, content)
        assert batch.status == "failed"
        assert batch.errors.data[0].code == code
        assert batch.output_file_id is None


async def test_a_fault_of_ours_ends_a_batch_and_no_other(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    service = await serve()
    async with client_of(service) as client:
        with monkeypatch.context() as patch:
            patch.setattr("orchestrator.batch.run.Feeder", broken)
            batch = await run(client, written(asked("a", "sums", "2 + 3?")))
        assert batch.status == "failed"
        assert batch.errors.data[0].code == "internal_error"
        assert (await run(client, written(asked("a", "sums", "2 + 3?")))).status == "completed"


async def test_line_ends_and_marks_of_other_systems(serve: Any) -> None:
    raw = json.dumps(asked("\u2028", "sums", "2 + 3?"), ensure_ascii=False).encode()
    content = b"\xef\xbb\xbf" + raw + b"\r\n\r\n" + written(asked("b", "sums", "9 - 4?")).strip()
    async with client_of(await serve()) as client:
        batch = await run(client, content)
        lines = await lines_of(client, batch.output_file_id)
    assert [line["custom_id"] for line in lines] == ["\u2028", "b"]


async def test_files_are_listed_read_and_deleted(serve: Any) -> None:
    async with client_of(await serve()) as client:
        files = [
            await client.files.create(file=(f"{n}.jsonl", bytes([65 + n]) * n), purpose="batch")
            for n in range(3)
        ]
        listed = [file.id async for file in await client.files.list(limit=2)]
        assert sorted(listed) == sorted(file.id for file in files)
        assert (await client.files.content(files[2].id)).content == b"CC"
        assert (await client.files.retrieve(files[1].id)).filename == "1.jsonl"
        assert (await client.files.delete(files[0].id)).deleted
        for call in (client.files.retrieve, client.files.content, client.files.delete):
            with pytest.raises(openai.NotFoundError):
                await call(files[0].id)
        with pytest.raises(openai.BadRequestError, match="purpose"):
            await client.files.create(file=b"x", purpose="fine-tune")


async def test_the_input_of_a_batch_stays_until_its_end(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused, answer = asyncio.Event(), BatchDesk.answer

    async def late(desk: BatchDesk, context: Any) -> Any:
        await refused.wait()
        return await answer(desk, context)

    monkeypatch.setattr(BatchDesk, "answer", late)
    service = await serve()
    async with client_of(service) as client:
        content = written(asked("a", "sums", "2 + 3?"))
        file = await client.files.create(file=("lines.jsonl", content), purpose="batch")
        batch = await client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        with pytest.raises(openai.ConflictError, match=batch.id):
            await client.files.delete(file.id)
        refused.set()
        assert (await ended(client, batch.id)).status == "completed"
        assert (await client.files.delete(file.id)).deleted


async def test_a_file_that_goes_while_it_is_read_fails_its_batch(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = Files.content

    async def going(files: Files, info: FileInfo) -> Any:
        gone = False
        async for piece in content(files, info):
            yield piece
            if not gone:
                await files.delete(info.owner, info.id)
            gone = True

    monkeypatch.setattr(Files, "content", going)
    long = "x" * CHUNK_BYTES
    async with client_of(await serve()) as client:
        batch = await run(client, written(asked("a", "sums", long), asked("b", "sums", long)))
    assert batch.status == "failed"
    assert batch.errors.data[0].code == "file_not_found"


@pytest.mark.parametrize("what", ["files", "batches"])
async def test_lists_come_in_either_order(serve: Any, what: str) -> None:
    service = await serve()
    async with client_of(service) as client:
        for _ in range(2):
            await run(client, b"")
    async with httpx.AsyncClient(base_url=service.base_url) as http:
        newest, oldest = [
            [one["id"] for one in (await http.get(f"/v1/{what}", params=order)).json()["data"]]
            for order in ({}, {"order": "asc"})
        ]
        refused = await http.get(f"/v1/{what}", params={"order": "up"})
    assert len(newest) == 2
    assert newest == oldest[::-1]
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "order")


async def test_a_text_in_place_of_a_file_is_told_how_to_send_one(serve: Any) -> None:
    service = await serve()
    async with httpx.AsyncClient(base_url=service.base_url) as http:
        form = {"purpose": (None, b"batch"), "file": (None, b"lines.jsonl")}
        answer = await http.post("/v1/files", files=form)
        nothing = await http.post("/v1/files", files={"purpose": (None, b"batch")})
    assert answer.status_code == nothing.status_code == 400
    assert "-F file=@PATH" in answer.json()["error"]["message"]
    assert nothing.json()["error"]["message"] == "`file` is required."


async def test_batches_are_listed_in_pages(serve: Any) -> None:
    async with client_of(await serve()) as client:
        made = [(await run(client, written(asked("a", "sums", "2 + 3?")))).id for _ in range(3)]
        assert sorted([b.id async for b in await client.batches.list(limit=1)]) == sorted(made)
        with pytest.raises(openai.BadRequestError, match="after"):
            await client.batches.list(after="batch_x")


async def test_what_is_refused_at_once(serve: Any) -> None:
    async with client_of(await serve()) as client:
        file = await client.files.create(file=b"{}", purpose="batch")
        good = {
            "input_file_id": file.id,
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
        }
        bad: list[dict[str, Any]] = [
            {"endpoint": "/v1/responses"},
            {"completion_window": "1h"},
            {"metadata": {str(n): "x" for n in range(17)}},
            {"metadata": {"x": "y" * 513}},
        ]
        for keys in bad:
            with pytest.raises(openai.BadRequestError, match=next(iter(keys))):
                await client.batches.create(**{**good, **keys})
        with pytest.raises(openai.NotFoundError) as unknown:
            await client.batches.create(**{**good, "input_file_id": "file-0"})
        assert unknown.value.param == "input_file_id"
        with pytest.raises(openai.NotFoundError):
            await client.batches.cancel("batch_0")


async def test_another_keys_files_and_batches_do_not_exist(serve: Any) -> None:
    keys = {name: {"key": f"key-{name}"} for name in ("ann", "bob")}
    service = await serve(server={"api_keys": keys})
    async with client_of(service, "key-ann") as ann, client_of(service, "key-bob") as bob:
        batch = await run(ann, written(asked("a", "sums", "2 + 3?")))
        for call in (bob.files.retrieve, bob.files.content, bob.files.delete):
            with pytest.raises(openai.NotFoundError):
                await call(batch.output_file_id)
        for call in (bob.batches.retrieve, bob.batches.cancel):
            with pytest.raises(openai.NotFoundError):
                await call(batch.id)
        assert [one async for one in await bob.files.list()] == []
        assert [one async for one in await bob.batches.list()] == []


async def test_a_file_over_the_limit(serve: Any) -> None:
    async with client_of(await serve(batches={"max_file_mb": 0.01})) as client:
        with pytest.raises(openai.APIStatusError) as caught:
            await client.files.create(file=b"x" * 20_000, purpose="batch")
        assert caught.value.status_code == 413
        assert [one async for one in await client.files.list()] == []


async def test_cancel_after_the_end_is_refused(serve: Any) -> None:
    async with client_of(await serve()) as client:
        batch = await run(client, written(asked("a", "sums", "2 + 3?")))
        with pytest.raises(openai.BadRequestError, match="completed"):
            await client.batches.cancel(batch.id)


async def test_the_document_describes_files_and_batches(serve: Any) -> None:
    service = await serve()
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"{service.base_url}/openapi.json")
    assert answer.status_code == 200
    paths = answer.json()["paths"]
    assert paths["/v1/files"].keys() >= {"get", "post"}
    parameters = paths["/v1/batches/{batch_id}"]["get"]["parameters"]
    assert "batch_id" in {one.get("name") for one in parameters}
