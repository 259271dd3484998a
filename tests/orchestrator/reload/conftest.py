"""A service over a scripted slot, with two experts and a file."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from reloading_service import Reloading, hosted, started

TWO = {"experts": {"a": hosted("org/a"), "b": hosted("org/b")}}


@pytest.fixture
async def served(
    tmp_path: Path, upstream: Any, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Reloading]:
    made = await started(tmp_path / "pool.yaml", upstream.base_url, monkeypatch, **TWO)
    yield made
    await made.close()
