"""A drain that takes too long, on the real engine: what still runs is cut off and told so."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from repository import ROOT
from service_process import serving

from orchestrator.config.model import load_config

pytestmark = pytest.mark.e2e
LONG = {"max_tokens": 220, "ignore_eos": True, "stream": True}


def _config() -> dict[str, Any]:
    """One slot, which holds one of two experts; it is given up almost at once."""
    hosted = load_config(ROOT / "examples" / "zoo.yaml").hosted()
    experts = {
        name: {"type": "vllm", "model": hosted[name].model, "memory_gb": 2.5}
        for name in ("arithmetic", "geography")
    }
    return {
        "version": 1,
        "experts": experts,
        "classes": {"interactive": {"max_wait_s": 0.1}},
        "slots": {
            "memory_gb": 4.5,
            "preload": False,
            "drain_timeout_s": 0.001,
            "engine_args": {"dtype": "float32", "max_model_len": 256},
        },
        "server": {"retries": 0},
    }


def _asked(expert: str, text: str, **body: Any) -> dict[str, Any]:
    return {
        "model": expert,
        "messages": [{"role": "user", "content": text}],
        "temperature": 0,
        **body,
    }


async def _stream(http: httpx.AsyncClient, number: int, speaks: asyncio.Event) -> list[str]:
    """A long answer's events; `speaks` is set when one has some text."""
    asked = _asked("arithmetic", f"What is {number} plus 4?", **LONG)
    lines = []
    async with http.stream("POST", "/batch/v1/chat/completions", json=asked) as response:
        async for line in response.aiter_lines():
            lines += [line] if line else []
            if '"content":"' in line:
                speaks.set()
    return lines


async def test_streams_that_hold_a_slot_for_too_long_end_with_an_error(tmp_path: Path) -> None:
    async with (
        serving(tmp_path, _config()) as (_, url),
        httpx.AsyncClient(base_url=url, timeout=60) as http,
    ):
        speaks = asyncio.Event()
        # So many that they take seconds.
        streams = [asyncio.create_task(_stream(http, number, speaks)) for number in range(60)]
        await asyncio.wait_for(speaks.wait(), 60)
        asked = _asked("geography", "What is the capital of France?", max_tokens=8)
        answer = (await http.post("/v1/chat/completions", json=asked)).json()
        texts = await asyncio.gather(*streams)

    assert "Paris" in answer["choices"][0]["message"]["content"]
    cut = [lines for lines in texts if any('"error"' in line for line in lines)]
    assert cut, f"no stream was cut off: {texts[0][-3:]}"
    assert all("arithmetic" in "".join(lines[-2:]) for lines in cut)
    assert any('"content":"' in line for lines in cut for line in lines)
