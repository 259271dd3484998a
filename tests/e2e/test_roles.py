"""Two roles of one model need one load, on the real engine."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
import yaml
from repository import ROOT

from orchestrator.config.model import load_config
from orchestrator.service import start_service

pytestmark = pytest.mark.e2e

WEIGHTS = ROOT / "experts" / "zoo" / "weights"


async def test_a_role_shares_the_engine_of_its_expert(tmp_path: Path) -> None:
    path = tmp_path / "roles.yaml"
    experts = {
        "arithmetic": {"type": "vllm", "model": str(WEIGHTS / "arithmetic")},
        "terse": {"type": "vllm", "same_as": "arithmetic", "defaults": {"max_tokens": 1}},
    }
    path.write_text(yaml.safe_dump({"experts": experts}))
    service = await start_service(load_config(path), on_event=print, port=0)
    try:
        async with httpx.AsyncClient(base_url=service.base_url, timeout=60) as http:
            told = {}
            for name in experts:
                body = {
                    "model": name,
                    "temperature": 0,
                    "messages": [{"role": "user", "content": "What is 12 + 35?"}],
                }
                told[name] = (await http.post("/v1/chat/completions", json=body)).json()
            loads = (await http.get("/coterie/pool")).json()["loads"]
    finally:
        await service.stop()
    assert told["arithmetic"]["choices"][0]["message"]["content"] == "47"
    assert told["terse"]["model"] == "terse"
    assert told["terse"]["usage"]["completion_tokens"] == 1
    assert {name: load["count"] for name, load in loads.items()} == {"arithmetic": 1}
    assert loads["arithmetic"]["experts"] == ["arithmetic", "terse"]
