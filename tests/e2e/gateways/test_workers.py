"""Two workers on one port over one slot: what dies takes nothing with it but its own requests."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import openai
import psutil
import pytest
import yaml
from openai import AsyncOpenAI
from repository import ROOT
from service_process import ServedProcess, started

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

EXPERTS = ("arithmetic", "geography", "units")


def expert(name: str) -> dict[str, Any]:
    model = str(ROOT / f"experts/zoo/weights/{name}")
    return {"type": "vllm", "model": model, "memory_gb": 1.5}


CONFIG: dict[str, Any] = {
    "version": 1,
    "experts": {name: expert(name) for name in EXPERTS},
    # Two of the three fit: some have to leave.
    "slots": {
        "count": 1,
        "memory_gb": 4.0,
        "engine_args": {"dtype": "float32", "max_model_len": 256},
    },
    "store": "sqlite:store.db",
}
ASKED = ("arithmetic", "arithmetic", "geography", "arithmetic", "units")


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[ServedProcess]:
    async with started(tmp_path, CONFIG, "--workers", "2") as service:
        yield service


def process_of(served: ServedProcess, words: str) -> psutil.Process:
    """A process that the service has started, by a part of its name."""
    for process in psutil.Process(served.process.pid).children(recursive=True):
        if words in " ".join(process.cmdline()):
            return process
    raise LookupError(words)


async def ask(url: str, number: int, model: str = "") -> str:
    """One answer over a connection of its own, so that either worker may give it."""
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        answer = await client.chat.completions.create(
            model=model or ASKED[number % len(ASKED)],
            messages=[{"role": "user", "content": f"What is {number} + 3?"}],
            max_tokens=8,
            temperature=0,
        )
    return str(answer.choices[0].message.content)


async def ask_many(url: str, count: int) -> list[str | BaseException]:
    return await asyncio.gather(
        *(ask(url, number) for number in range(count)), return_exceptions=True
    )


async def test_workers_share_a_pool_and_outlive_each_other(
    served: ServedProcess, tmp_path: Path
) -> None:
    url = await served.url()
    expected = await ask_many(url, 30)
    assert all(isinstance(one, str) for one in expected)

    # The controller: everything is answered, and as before.
    asking = asyncio.create_task(ask_many(url, 30))
    process_of(served, "ControllerActor").send_signal(signal.SIGKILL)
    assert await asking == expected
    await ask(url, 0)

    # A worker: only its own requests break, and it is back.
    asking = asyncio.create_task(ask_many(url, 30))
    process_of(served, "spawn_main").send_signal(signal.SIGKILL)
    answers = await asking
    broken = [one for one in answers if isinstance(one, BaseException)]
    assert all(isinstance(one, openai.APIConnectionError) for one in broken)
    kept = [pair for pair in zip(answers, expected, strict=True) if isinstance(pair[0], str)]
    assert kept
    assert all(answer == before for answer, before in kept)
    await served.says("restarting")
    assert await ask_many(url, 30) == expected

    async with asyncio.timeout(60), httpx.AsyncClient(base_url=url) as http:
        page = ""
        while page.count("coterie_info{") < 2:  # The other one answers while this one starts.
            page = (await http.get("/metrics")).text
        loads = (await http.get("/coterie/pool")).json()["loads"]
    assert {'worker="1"', 'worker="2"'} <= {
        part for line in page.splitlines() for part in line.partition("{")[2].split(",")
    }
    assert page.count("coterie_info{") == 2
    # The controller counts from its restart on; since then, one of the three had to be loaded.
    assert sum(one["count"] for one in loads.values()) >= 1

    # A reload that one worker is asked for reaches all of them.
    grown = {**CONFIG["experts"], "logic": expert("logic")}
    (tmp_path / "pool.yaml").write_text(yaml.safe_dump({**CONFIG, "experts": grown}))
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        told = (await http.post("/coterie/reload")).json()
    assert told["result"] == "applied"
    in_a_row = 0
    while in_a_row < 20:  # Over new connections, which both workers accept.
        try:
            await ask(url, 0, "logic")
            in_a_row += 1
        except openai.NotFoundError:
            in_a_row = 0

    os.kill(served.process.pid, signal.SIGTERM)
    assert await served.ended() == 0
