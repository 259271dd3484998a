"""Two roles of one model need one load, on the real engine."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from repository import ROOT
from service_process import started

pytestmark = pytest.mark.e2e

WEIGHTS = ROOT / "experts" / "zoo" / "weights"


async def test_a_role_shares_the_engine_of_its_expert(tmp_path: Path) -> None:
    experts: dict[str, dict[str, Any]] = {
        "arithmetic": {"type": "vllm", "model": str(WEIGHTS / "arithmetic")},
        "terse": {"type": "vllm", "same_as": "arithmetic", "defaults": {"max_tokens": 1}},
    }
    told = {}
    async with (
        started(tmp_path, {"experts": experts}) as served,
        httpx.AsyncClient(base_url=await served.url(), timeout=60) as http,
    ):
        for name in experts:
            body = {
                "model": name,
                "temperature": 0,
                "messages": [{"role": "user", "content": "What is 12 + 35?"}],
            }
            told[name] = (await http.post("/v1/chat/completions", json=body)).json()
        loads = (await http.get("/coterie/pool")).json()["loads"]
    assert told["arithmetic"]["choices"][0]["message"]["content"] == "47"
    assert told["terse"]["model"] == "terse"
    assert told["terse"]["usage"]["completion_tokens"] == 1
    assert {name: load["count"] for name, load in loads.items()} == {"arithmetic": 1}
    assert loads["arithmetic"]["experts"] == ["arithmetic", "terse"]
