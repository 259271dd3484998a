"""A whole service over recorded answers, with a store of each kind, and the real client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from batch_lines import ANSWERS, tree

from orchestrator.config.model import Config
from orchestrator.service import Service, start_service


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Prefix of the recorded answers."""
    prefix = str(tmp_path_factory.mktemp("recorded") / "quiz")
    texts = list(ANSWERS["sums"])
    queries = [{"query_id": text, "query": text} for text in texts]
    said = [
        {"query_id": text, "model": model, "response": answer}
        for model, answers in ANSWERS.items()
        for text, answer in answers.items()
    ]
    tokens = [
        {**{key: row[key] for key in ("query_id", "model")}, "prompt_tokens": 7} for row in said
    ]
    for row in tokens:
        row["completion_tokens"] = 2
    for name, rows in (("queries", queries), ("responses", said), ("outcomes", tokens)):
        pq.write_table(pa.Table.from_pylist(rows), f"{prefix}_{name}.parquet")
    return prefix


@pytest.fixture
async def serve(recording: str) -> AsyncIterator[Callable[..., Awaitable[Service]]]:
    """Starts services, and stops those that are left."""
    running: list[Service] = []

    async def start(**keys: Any) -> Service:
        config = Config.model_validate(tree(recording, **keys))
        service = await start_service(config, on_event=lambda words: None, port=0)
        running.append(service)
        return service

    yield start
    for service in running:
        await service.stop()
