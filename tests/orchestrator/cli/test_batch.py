"""`coterie batch` over recorded answers: its own service, one that runs, and what is broken."""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from batch_lines import asked, tree, written
from service_process import started

from experts.errors import ServiceError
from orchestrator.batch.line import ENDPOINTS
from orchestrator.cli.batch import remote_batch
from orchestrator.cli.batch.command import endpoint_of
from orchestrator.cli.batch.remote_batch import RemoteBatch

pytestmark = pytest.mark.slow
MODELS = ("sums", "pool/fixed")
COUNT = 6000
LINES = [asked(f"q{n}", MODELS[n % 2], "2 + 3?") for n in range(COUNT)]


@pytest.fixture
def folder(recording: str, tmp_path: Path) -> Path:
    config = {"version": 1, **tree(recording), "batches": {"in_flight": 2}}
    (tmp_path / "pool.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "in.jsonl").write_bytes(written(*LINES))
    return tmp_path


async def begun(
    folder: Path, *options: str, file: str = "in.jsonl", output: str = "out.jsonl"
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "orchestrator", "batch", file, "-o", output), *options,
        cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip


async def run(folder: Path, *options: str, **names: str) -> tuple[int | None, str]:
    process = await begun(folder, *options, **names)
    said, _ = await process.communicate()
    return process.returncode, said.decode()


def ids(path: Path) -> list[str]:
    return [json.loads(line)["custom_id"] for line in path.read_text().splitlines()]


async def test_a_service_of_its_own_goes_on_where_it_was_broken_off(folder: Path) -> None:
    process = await begun(folder, "-c", "pool.yaml")
    assert process.stdout is not None
    while b" of 6,000 lines" not in (line := await process.stdout.readline()):
        assert line
    process.send_signal(signal.SIGINT)
    assert "goes on with it" in (await process.communicate())[0].decode()
    assert process.returncode == 130
    assert not (folder / "out.jsonl").exists()
    code, said = await run(folder, "-c", "pool.yaml")
    assert (code, said.splitlines()[-1]) == (0, f"{COUNT} answers in {folder / 'out.jsonl'}")
    assert "sending" not in said
    assert "going on with batch_" in said
    assert ids(folder / "out.jsonl") == [line["custom_id"] for line in LINES]
    assert sorted(p.name for p in folder.iterdir()) == ["in.jsonl", "out.jsonl", "pool.yaml"]


async def test_answers_as_they_come_are_there_before_the_end_and_each_once(folder: Path) -> None:
    process = await begun(folder, "-c", "pool.yaml", "--as-they-come")
    assert process.stdout is not None
    while b" of 6,000 lines" not in (line := await process.stdout.readline()):
        assert line
    process.send_signal(signal.SIGKILL)
    await process.communicate()
    before = ids(folder / "out.jsonl")
    assert 0 < len(before) < COUNT
    code, said = await run(folder, "-c", "pool.yaml", "--as-they-come")
    assert code == 0
    assert "0 real" in said
    after = ids(folder / "out.jsonl")
    assert after[: len(before)] == before
    assert sorted(after) == sorted(line["custom_id"] for line in LINES)


async def test_a_running_service_and_lines_without_an_answer(
    folder: Path, recording: str, tmp_path_factory: Any
) -> None:
    bad = written(asked("good", "sums", "2 + 3?"), asked("bad", "nobody", "2 + 3?"))
    (folder / "some.jsonl").write_bytes(bad)
    config = {"version": 1, **tree(recording)}
    async with started(tmp_path_factory.mktemp("served"), config) as served:
        code, said = await run(folder, "--url", await served.url(), file="some.jsonl")
    assert code == 1
    assert "1 line without an answer, with the reasons, in" in said
    assert ids(folder / "out.jsonl") == ["good"]
    assert ids(folder / "out.errors.jsonl") == ["bad"]


async def test_a_service_that_has_lost_the_batch_says_so_at_once(
    folder: Path, recording: str, tmp_path_factory: Any
) -> None:
    async with started(
        tmp_path_factory.mktemp("served"), {"version": 1, **tree(recording)}
    ) as served:
        url = await served.url()
        (folder / "one.jsonl").write_bytes(written(LINES[0]))
        digest = hashlib.sha256((folder / "one.jsonl").read_bytes()).hexdigest()
        state = {"digest": digest, "where": url, "batch": "batch_gone"}
        (folder / ".out.jsonl.batch").write_text(json.dumps(state))
        code, said = await run(folder, "--url", url, file="one.jsonl")
        assert code == 1
        assert "answered 404" in said
        assert "to begin anew" in said
        code, said = await run(folder, "-c", "pool.yaml", file="one.jsonl")
        assert code == 2
        assert f"was begun with {url}" in " ".join(said.split())


async def test_a_service_that_is_away_is_waited_for_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    monkeypatch.setattr(remote_batch, "PATIENCE_S", 0.2)
    monkeypatch.setattr(remote_batch, "LOOKS_EVERY_S", 0.05)
    remote = RemoteBatch("http://127.0.0.1:9", None, said.append)
    with pytest.raises(ServiceError, match="No service answers"):
        await remote.followed("batch_1", lambda progress: None)
    await remote.close()
    assert len(said) == 1
    assert "does not answer: waiting up to" in said[0]


@pytest.mark.parametrize("url", ENDPOINTS)
def test_what_a_file_asks_for_is_read_from_its_first_line(tmp_path: Path, url: str) -> None:
    (tmp_path / "in.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps({"url": url}).encode())
    assert endpoint_of(tmp_path / "in.jsonl") == url


@pytest.mark.parametrize("first", [b"", b"[1]", b"{", b'{"url": 3}', b'{"url": "/v1/x"}'])
def test_a_first_line_that_says_nothing_is_for_the_service_to_refuse(
    tmp_path: Path, first: bytes
) -> None:
    (tmp_path / "in.jsonl").write_bytes(first)
    assert endpoint_of(tmp_path / "in.jsonl") == ENDPOINTS[0]


async def test_what_cannot_be_run(folder: Path) -> None:
    (folder / "twice.jsonl").write_bytes(written(LINES[0], LINES[0]))
    code, said = await run(folder, "-c", "pool.yaml", file="twice.jsonl")
    assert code == 2
    assert "line 2: The custom_id `q0` is already used in line 1." in said
    code, said = await run(folder, "-c", "pool.yaml", file="missing.jsonl")
    assert (code, "There is no file missing.jsonl." in said) == (2, True)
    code, said = await run(folder, "-c", "pool.yaml", output="nowhere/out.jsonl")
    assert (code, "there is no folder nowhere" in said) == (2, True)
    (folder / "out.jsonl").write_text("precious")
    code, said = await run(folder, "-c", "pool.yaml")
    assert (code, "out.jsonl is there already" in said) == (2, True)
    assert (folder / "out.jsonl").read_text() == "precious"
