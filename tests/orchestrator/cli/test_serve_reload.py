"""`coterie serve` reads its file again: on SIGHUP, and by itself with `--watch`."""

import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from service_process import ServedProcess, started

pytestmark = pytest.mark.slow


@pytest.fixture
def far(upstream: Any) -> dict[str, Any]:
    return {"type": "openai", "base_url": upstream.base_url, "model": "tiny-model"}


def write(folder: Path, **tree: Any) -> None:
    (folder / "pool.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))


async def asked(served: ServedProcess, model: str) -> int:
    body = {"model": model, "messages": [{"role": "user", "content": "say yes"}]}
    async with httpx.AsyncClient(base_url=await served.url(), trust_env=False) as http:
        return (await http.post("/v1/chat/completions", json=body)).status_code


async def test_a_signal_is_a_reload(tmp_path: Path, far: dict[str, Any]) -> None:
    async with started(tmp_path, {"experts": {"far": far}}) as served:
        assert await asked(served, "further") == 404
        write(tmp_path, experts={"far": far, "further": far})
        served.process.send_signal(signal.SIGHUP)
        await served.says("configuration: expert further added")
        await served.says("configuration: generation 2 runs")
        assert await asked(served, "further") == 200
        write(tmp_path, experts={"far": {**far, "model": 3}}, slots={"cout": 1})
        served.process.send_signal(signal.SIGHUP)
        line = await served.says("the one that ran before goes on")
        assert "experts.far.model" in line
        assert "slots.cout" in line
        assert await asked(served, "further") == 200


async def test_a_watched_file_is_read_when_it_changes(tmp_path: Path, far: dict[str, Any]) -> None:
    options = ("--watch", "--watch-interval", "0.05")
    async with started(tmp_path, {"experts": {"far": far}}, *options) as served:
        await served.url()
        write(tmp_path, experts={"far": far}, slots={"count": 3})
        await served.says("needs a restart: slots.count 1 -> 3")
        write(tmp_path, experts={"far": far, "further": far})
        await served.says("configuration: generation 2 runs")
        assert await asked(served, "further") == 200
