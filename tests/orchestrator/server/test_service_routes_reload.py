"""A router is fitted anew while the service runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from experts.errors import ConfigError
from orchestrator.cli.router_fitting import fit, fit_and_reload
from orchestrator.config.model import Config
from orchestrator.service import start_service
from routers.outcomes import Outcome, OutcomeTable

EXPERTS = ("first", "second")
QUESTION = "What is two plus three?"


def write_outcomes(table: Path, best: str) -> None:
    rows = [
        Outcome(text, "sums", text, name, "1", float(name == best))
        for text in (QUESTION, "What is nine minus four?")
        for name in EXPERTS
    ]
    table.unlink(missing_ok=True)
    OutcomeTable.from_rows(rows).write(table)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    prefix = tmp_path / "quiz"
    said = [{"query_id": "q", "model": name, "response": name} for name in EXPERTS]
    pq.write_table(
        pa.Table.from_pylist([{"query_id": "q", "query": QUESTION}]), f"{prefix}_queries.parquet"
    )
    pq.write_table(pa.Table.from_pylist(said), f"{prefix}_responses.parquet")
    return Config.model_validate(
        {
            "experts": {
                name: {"type": "replay", "recording": str(prefix), "model": name}
                for name in EXPERTS
            },
            "routers": {
                "near": {
                    "type": "knn",
                    "outcomes": str(tmp_path / "outcomes.parquet"),
                    "artifact": str(tmp_path / "near.safetensors"),
                }
            },
            "compositions": {"pool/auto": {"router": "near"}},
        }
    )


@pytest.fixture
async def http(config: Config, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    write_outcomes(tmp_path / "outcomes.parquet", "first")
    fit(config, "near", None)
    service = await start_service(config, on_event=lambda event: None, port=0)
    async with httpx.AsyncClient(base_url=service.base_url, trust_env=False) as made:
        yield made
    await service.stop()


async def asked(http: httpx.AsyncClient) -> str:
    body = {"model": "pool/auto", "messages": [{"role": "user", "content": QUESTION}]}
    answer = await http.post("/v1/chat/completions", json=body)
    return answer.headers["x-coterie-expert"]


async def test_a_new_artifact_decides_from_the_next_request_on(
    http: httpx.AsyncClient, config: Config, tmp_path: Path
) -> None:
    assert await asked(http) == "first"
    write_outcomes(tmp_path / "outcomes.parquet", "second")
    fit(config, "near", None)
    assert await asked(http) == "first"
    reply = await http.post("/coterie/routers/near/reload")
    assert reply.json()["router"] == "near"
    assert await asked(http) == "second"


async def test_a_broken_artifact_leaves_the_old_router(
    http: httpx.AsyncClient, tmp_path: Path
) -> None:
    (tmp_path / "near.safetensors").write_bytes(b"nothing")
    reply = await http.post("/coterie/routers/near/reload")
    assert reply.status_code == 400
    assert "cannot be read as a router" in reply.json()["error"]["message"]
    assert await asked(http) == "first"


async def test_an_unknown_router_is_named(http: httpx.AsyncClient) -> None:
    reply = await http.post("/coterie/routers/nobody/reload")
    assert reply.status_code == 404
    assert "known: near" in reply.json()["error"]["message"]


def test_a_fit_to_one_task_is_a_fit_to_its_file(config: Config, tmp_path: Path) -> None:
    table, pool = tmp_path / "outcomes.parquet", tmp_path / "pool.yaml"
    write_outcomes(table, "first")
    pool.write_text(yaml.safe_dump(config.model_dump(mode="json", exclude_defaults=True)))
    (tmp_path / "sums.jsonl").write_text("")
    fit_and_reload(pool, "near", None, None, None, [str(tmp_path / "sums.jsonl")])
    assert (tmp_path / "near.safetensors").exists()
    with pytest.raises(ConfigError, match="no outcomes of poems"):
        fit_and_reload(pool, "near", None, None, None, ["poems"])
