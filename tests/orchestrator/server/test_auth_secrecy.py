"""No key is in anything that a run writes: logs, errors, traces, pages, files, the store."""

from __future__ import annotations

import io
import json
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from batch_lines import tree

from orchestrator.cli import configuration
from orchestrator.config.model import Config, load_config
from orchestrator.service import start_service

OWN, BOSS, WRONG = "sk-own-4711-secret", "sk-boss-0815-secret", "sk-wrong-1234-secret"
PATHS = (
    *("/health", "/metrics", "/openapi.json", "/docs", "/version", "/health/readiness"),
    *("/coterie/pool", "/coterie/learned", "/coterie/keys", "/v1/models", "/v1/nothing"),
    "/v1/files",
)


@pytest.fixture
def everything_logged() -> Iterator[io.StringIO]:
    """What every logger says, at every level."""
    text = io.StringIO()
    handler, root = logging.StreamHandler(text), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.removeHandler(handler)
    root.setLevel(before)


def settings(recording: str, folder: Path) -> dict[str, Any]:
    keys = {
        "own": {"key": OWN, "requests_per_minute": 4, "tokens_per_day": 2000},
        "boss": {"key": BOSS, "admin": True},
    }
    return tree(
        recording,
        server={"api_keys": keys},
        traces={"file": str(folder / "traces.jsonl")},
        feedback={"file": str(folder / "feedback.jsonl")},
        store=f"sqlite:{folder / 'store.db'}",
    )


async def asked(http: httpx.AsyncClient, key: str) -> list[str]:
    """Bodies and headers of whatever can be asked with a key, rightly and wrongly."""
    headers = {"authorization": f"Bearer {key}"}
    answers = [await http.get(path, headers=headers) for path in PATHS]
    body = {"model": "sums", "messages": [{"role": "user", "content": "2 + 3?"}]}
    for more in ({}, {"stream": True}, {"model": "absent"}, {"max_tokens": "x"}, {"n": 3}, {}):
        url = "/v1/chat/completions"
        answers.append(await http.post(url, json={**body, **more}, headers=headers))
    made = {"name": f"made-by-{key[3:6]}", "key": key}
    answers.append(await http.post("/coterie/keys", json=made, headers=headers))
    return [f"{answer.headers}{answer.text}" for answer in answers]


async def test_no_key_is_in_anything_that_a_run_writes(
    recording: str, tmp_path: Path, everything_logged: io.StringIO
) -> None:
    config = Config.model_validate(settings(recording, tmp_path))
    events: list[str] = []
    service = await start_service(config, on_event=events.append, port=0)
    said: list[str] = []
    async with httpx.AsyncClient(base_url=service.base_url) as http:
        headers = {"authorization": f"Bearer {BOSS}"}
        made = await http.post("/coterie/keys", json={"name": "new"}, headers=headers)
        new = made.json()["key"]
        for key in (OWN, BOSS, new, WRONG):
            said += await asked(http, key)
    await service.stop()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"traces.jsonl", "store.db"}
    assert any("429" in line for line in everything_logged.getvalue().splitlines())
    with sqlite3.connect(tmp_path / "store.db") as opened:
        kept = str([*opened.iterdump()])
    assert "apikey:new" in kept
    written = [everything_logged.getvalue(), *events, *said, kept, repr(config), repr(service)]
    written += [path.read_bytes().decode("latin-1") for path in files]
    for key in (OWN, BOSS, new, WRONG):
        assert not [text[:200] for text in written if key in text]


def test_validate_shows_no_key(
    recording: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "pool.yaml"
    file.write_text(json.dumps(settings(recording, tmp_path)), encoding="utf-8")
    configuration.validate(file)
    configuration.models(file)
    shown = capsys.readouterr()
    assert "is valid" in shown.out
    assert OWN not in shown.out + shown.err + repr(load_config(file))
