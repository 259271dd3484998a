"""Clients that leave, slots that die, servers that are told to stop."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import openai
import psutil
import pytest
from openai import AsyncOpenAI

from orchestrator.service import Service

pytestmark = pytest.mark.e2e
LONG: dict[str, Any] = {
    "model": "strings",
    "messages": [{"role": "user", "content": 'Reverse the word "bako".'}],
    "max_tokens": 900,
    "stream": True,
}
FOREVER = {"ignore_eos": True}


def _slot_process() -> psutil.Process:
    """The slot's process of the service in this very process.

    Services of other tests that still run are children too, with raylets and slots of their own.
    """
    raylets = [child for child in psutil.Process().children() if child.name() == "raylet"]
    workers = [worker for raylet in raylets for worker in raylet.children()]
    (slot,) = [worker for worker in workers if "SlotActor" in " ".join(worker.cmdline())]
    return slot


async def _read(stream: AsyncIterator[Any]) -> None:
    async for _ in stream:
        pass


async def _until(http: httpx.AsyncClient, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Ask for the state of the pool until it is as wanted."""
    async with asyncio.timeout(60):
        while True:
            state: dict[str, Any] = (await http.get("/coterie/pool")).json()
            if true(state):
                return state


async def test_a_client_that_leaves_aborts_its_generation(
    client: AsyncOpenAI, http: httpx.AsyncClient
) -> None:
    stream = await client.chat.completions.create(**LONG, extra_body=FOREVER)
    async for _ in stream:
        break
    await _until(http, lambda state: state["slots"][0]["running"]["strings"] == 1)
    await stream.close()

    await _until(http, lambda state: state["slots"][0]["running"]["strings"] == 0)


async def test_a_client_that_leaves_before_a_whole_answer_aborts_it_too(
    http: httpx.AsyncClient,
) -> None:
    body = {**LONG, **FOREVER, "stream": False}
    call = asyncio.create_task(http.post("/v1/chat/completions", json=body))
    await _until(http, lambda state: state["slots"][0]["running"]["strings"] == 1)
    call.cancel()

    await _until(http, lambda state: state["slots"][0]["running"]["strings"] == 0)


async def test_a_slot_that_dies_in_mid_stream_comes_back(
    client: AsyncOpenAI, http: httpx.AsyncClient, service: Service
) -> None:
    stream = await client.chat.completions.create(**LONG, extra_body=FOREVER)
    await anext(aiter(stream))
    _slot_process().send_signal(signal.SIGKILL)
    with pytest.raises(openai.APIError) as caught:
        await _read(stream)
    again = await client.chat.completions.create(
        **{**LONG, "stream": False, "max_tokens": 8}, temperature=0
    )

    assert "strings" in str(caught.value.body)
    assert again.choices[0].message.content == "okab"
    state = await _until(
        http, lambda state: set(state["slots"][0]["residents"]) == set(service.config.experts)
    )
    assert state["slots"][0]["restarts"] == 1


async def test_requests_without_a_token_survive_the_death_of_a_slot(
    client: AsyncOpenAI, http: httpx.AsyncClient, service: Service
) -> None:
    async def ask(i: int) -> Any:
        return await client.chat.completions.create(
            model="arithmetic",
            messages=[{"role": "user", "content": f"What is {i} + 1?"}],
            temperature=0,
        )

    _slot_process().send_signal(signal.SIGKILL)
    answers = await asyncio.gather(*(ask(i) for i in range(8)))

    right = sum(a.choices[0].message.content == str(i + 1) for i, a in enumerate(answers))
    assert right >= 7
    await _until(
        http, lambda state: set(state["slots"][0]["residents"]) == set(service.config.experts)
    )


ONE_EXPERT = """
version: 1
experts:
  arithmetic: {{type: vllm, model: {weights}}}
slots: {{engine_args: {{dtype: float32, max_model_len: 256}}}}
"""


async def test_a_second_server_runs_beside_and_ctrl_c_leaves_nothing(
    service: Service, client: AsyncOpenAI, tmp_path: Path
) -> None:
    weights = service.config.hosted()["arithmetic"].model
    file = tmp_path / "one.yaml"
    file.write_text(ONE_EXPERT.format(weights=weights), encoding="utf-8")
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "orchestrator", "serve", "-c", str(file), "--port", "0",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=tmp_path,
    )  # fmt: skip
    assert server.stdout is not None
    url = ""
    async with asyncio.timeout(120):
        while "ready: " not in url:
            line = await server.stdout.readline()
            assert line, (await server.communicate())[1].decode()
            url = line.decode()
    children = psutil.Process(server.pid).children(recursive=True)
    async with httpx.AsyncClient(base_url=url.split("ready: ")[1].strip(), timeout=60) as other:
        body = {"model": "arithmetic", "messages": [{"role": "user", "content": "What is 1 + 2?"}]}
        theirs = await other.post("/chat/completions", json=body)
    ours = await client.chat.completions.create(**json.loads(json.dumps(body)))
    server.send_signal(signal.SIGINT)
    _, errors = await asyncio.wait_for(server.communicate(), 60)

    assert theirs.status_code == 200
    assert ours.model == "arithmetic"
    assert "Traceback" not in errors.decode()
    assert len(children) >= 3
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
    assert _slot_process().pid != server.pid
    assert os.getpid() != server.pid
