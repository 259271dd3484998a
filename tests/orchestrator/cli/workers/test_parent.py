"""The process above several workers: with more of them than threads, and their end."""

import signal
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml
from service_process import ServedProcess, started

pytestmark = pytest.mark.slow

COUNT = 8
"""More than a pool of threads has on two cores."""


@pytest.fixture
def config(upstream: Any, tmp_path: Path) -> dict[str, Any]:
    far = {"type": "openai", "base_url": upstream.base_url, "model": "tiny-model"}
    return {"experts": {"far": far}, "store": f"sqlite:{tmp_path / 'store.db'}"}


async def test_many_workers_are_ready_and_end_together(
    config: dict[str, Any], tmp_path: Path
) -> None:
    async with started(tmp_path, config, "--workers", str(COUNT)) as served:
        async with httpx.AsyncClient(base_url=await served.url(), trust_env=False) as http:
            page = (await http.get("/metrics")).text
        assert page.count("coterie_info{") == COUNT
        served.process.send_signal(signal.SIGTERM)
        assert await served.ended() == 0


async def test_who_is_told_to_stop_starts_no_worker_again(
    config: dict[str, Any], tmp_path: Path
) -> None:
    async with started(tmp_path, config, "--workers", "2") as served:
        await served.url()
        await _kill_one(served)
        await served.says("restarting")
        served.process.send_signal(signal.SIGTERM)
        assert await served.ended() == 0


async def test_a_worker_that_comes_later_serves_what_runs_and_not_what_the_file_says(
    config: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "pool.yaml"
    async with started(tmp_path, config, "--workers", "2") as served:
        async with httpx.AsyncClient(base_url=await served.url(), trust_env=False) as http:
            near = {"near": config["experts"]["far"]}
            grown = {**config, "experts": {**config["experts"], **near}}
            file.write_text(yaml.safe_dump(grown), encoding="utf-8")
            served.process.send_signal(signal.SIGHUP)
            while await _generations(http) != ["2", "2"]:
                pass
            file.write_text("experts: [", encoding="utf-8")
            await _kill_one(served)
            await served.says("restarting")
            while len(await _generations(http)) < 2:
                pass
            assert await _generations(http) == ["2", "2"]
        for _ in range(8):  # Each of them answers some.
            async with httpx.AsyncClient(base_url=await served.url(), trust_env=False) as http:
                models = (await http.get("/v1/models")).json()["data"]
            assert {one["id"] for one in models} >= {"far", "near"}


async def _generations(http: httpx.AsyncClient) -> list[str]:
    lines = (await http.get("/metrics")).text.splitlines()
    return [line.split()[1][0] for line in lines if line.startswith("coterie_config_generation{")]


async def _kill_one(served: ServedProcess) -> None:
    for process in psutil.Process(served.process.pid).children():
        if "spawn_main" in " ".join(process.cmdline()):
            process.kill()
            return


async def test_workers_need_a_store_that_they_share(config: dict[str, Any], tmp_path: Path) -> None:
    async with started(tmp_path, {**config, "store": "memory"}, "--workers", "2") as served:
        assert await served.ended() == 2
    assert "several workers need one that they share" in served.printed
