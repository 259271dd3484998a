"""Gateways are started as their users start them, measured, and ended."""

import asyncio
import json
from pathlib import Path

import httpx
import psutil
import pytest
import yaml

from evals.benchmarks.gateways.fake_engine import MODEL
from evals.benchmarks.gateways.kinds import (
    OURS,
    SMG,
    TWO_OF_OURS,
    VLLM_ROUTER,
    Kind,
    Place,
    kinds,
    our_own,
)
from evals.benchmarks.gateways.processes import Running, fake_engine, free_port, gateway
from experts.errors import ServiceError
from orchestrator.config.model import load_config


def test_gateways_are_told_where_the_engine_is(tmp_path: Path) -> None:
    place = Place(tmp_path, "http://127.0.0.1:1", 2, 3)
    told = {kind.name: kind.arguments(place) for kind in kinds(tmp_path)}
    assert told[VLLM_ROUTER][:2] == ["--worker-urls", "http://127.0.0.1:1"]
    assert told[SMG] == ["launch", *told[VLLM_ROUTER]]
    models = yaml.safe_load((tmp_path / "litellm.yaml").read_text(encoding="utf-8"))["model_list"]
    assert models[0]["litellm_params"]["api_base"] == "http://127.0.0.1:1/v1"
    assert told[TWO_OF_OURS] == [*told[OURS], "--workers", "2"]
    assert all(str(2) in arguments for arguments in told.values())
    assert list(load_config(tmp_path / "coterie.yaml").experts) == [MODEL]


def test_what_is_not_installed_is_known(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / SMG).touch()
    installed = {kind.name for kind in kinds(tmp_path) if kind.installed}
    assert installed == {OURS, TWO_OF_OURS, SMG}


@pytest.mark.slow
async def test_our_gateway_before_the_engine_that_is_instant(tmp_path: Path) -> None:
    async with fake_engine(tmp_path) as engine, gateway(our_own(), engine, tmp_path) as ours:
        async with httpx.AsyncClient(trust_env=False) as client:
            body = {"model": MODEL, "max_tokens": 2, "messages": [{"role": "user", "content": "?"}]}
            answer = await client.post(f"{ours.url}/v1/chat/completions", json=body)
        assert answer.json()["usage"]["completion_tokens"] == 2
        assert ours.memory_mb() > engine.memory_mb() > 0
        assert ours.cpu_s() > 0
    assert not psutil.pid_exists(ours.pid)
    assert not psutil.pid_exists(engine.pid)


async def test_one_that_does_not_start_is_told_with_its_words(tmp_path: Path) -> None:
    broken = Kind("broken", Path("/bin/sh"), lambda _: ["-c", "echo no such port; exit 3"])
    with pytest.raises(ServiceError, match="broken has ended: no such port"):
        async with gateway(broken, Running("engine", "http://127.0.0.1:1", 1), tmp_path):
            pass


async def test_whoever_gives_up_ends_what_was_started(tmp_path: Path) -> None:
    said = tmp_path / "pid"
    script = f"echo $$ > {said}.new; mv {said}.new {said}; exec sleep 60"
    kind = Kind("silent", Path("/bin/sh"), lambda _: ["-c", script])

    async def start() -> None:
        async with gateway(kind, Running("engine", "http://127.0.0.1:1", 1), tmp_path):
            pass

    starting = asyncio.create_task(start())
    while not said.exists():
        await asyncio.sleep(0.01)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not psutil.pid_exists(json.loads(said.read_text(encoding="utf-8")))


def test_a_free_port_is_one() -> None:
    assert 0 < free_port() < 65536
