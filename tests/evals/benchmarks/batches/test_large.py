"""A file as large as may be, at a real service; here it is small."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from evals.benchmarks.batches.large import LINES, MEGABYTES, large_file, write_lines
from evals.client.gateway_process import MB, Gateway
from evals.client.progress import Progress
from experts.errors import ServiceError
from orchestrator.config.model import Config
from orchestrator.service import start_service


class Silent(Progress):
    """Nobody looks."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def doing(self, what: str, done: Any = None, total: Any = None) -> None:
        self.done.append(what)


@pytest.fixture
async def small() -> AsyncIterator[Gateway]:
    """A service in this process, whose expert nobody reaches, with room for 200 lines."""
    expert = {"type": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "far"}
    tree = {"experts": {"far": expert}, "store": "memory", "batches": {"max_lines": 200}}
    service = await start_service(Config.model_validate(tree), on_event=lambda words: None, port=0)
    yield Gateway(service.base_url, os.getpid())
    await service.stop()


def test_lines_are_of_one_length_and_the_file_is_as_large_as_asked(tmp_path: Path) -> None:
    write_lines(tmp_path / "lines", "one", lines=7, mb=0.01)
    lines = (tmp_path / "lines").read_bytes().splitlines(keepends=True)
    assert {len(line) for line in lines} == {int(0.01 * MB) // 7}
    assert len({json.loads(line)["custom_id"] for line in lines}) == 7


async def test_it_is_checked_and_listed_and_then_cancelled(small: Gateway, tmp_path: Path) -> None:
    progress = Silent()
    large = await large_file(small, "far", tmp_path, progress, lines=200)
    assert large.lines == 200
    assert large.mb == pytest.approx(MEGABYTES * 200 / LINES, rel=0.01)
    assert large.seconds > 0
    assert 0 < large.idle_mb <= large.most_mb
    assert progress.done == ["a file of 0 MB"]


async def test_one_that_fails_is_no_measurement(small: Gateway, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="counts other lines than 201"):
        await large_file(small, "far", tmp_path, Silent(), lines=201)
