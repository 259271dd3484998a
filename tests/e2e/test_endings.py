"""A service with a slot, in a process of its own: where it listens, and what its end leaves."""

import asyncio
import json
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from repository import ROOT
from service_process import ServedProcess, serving, started

from orchestrator.config.model import load_config
from orchestrator.residency.ray_folder import PREFIX

pytestmark = pytest.mark.e2e
ZOO = ROOT / "examples" / ".." / "experts" / "zoo" / "weights"
GONE_S = 10.0
"""By then every process of a service that was killed has ended."""
SLOTS = {"engine_args": {"dtype": "float32", "max_model_len": 256}}
ARITHMETIC = {"type": "vllm", "model": str((ZOO / "arithmetic").resolve())}


@pytest.fixture
def temporary() -> Any:
    """A temporary folder for the service alone; its path is short enough for Ray's sockets."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
async def serve(tmp_path: Path, temporary: Path) -> AsyncIterator[Any]:
    """Starts a service over one slot; by default with one expert, which is not loaded."""
    async with AsyncExitStack() as stack:

        async def start(*options: str, **sections: Any) -> ServedProcess:
            sections = {"slots": {**SLOTS, "preload": False}, **sections}
            config = {"experts": {"arithmetic": ARITHMETIC}, **sections}
            context = started(tmp_path, config, *options, TMPDIR=str(temporary))
            served: ServedProcess = await stack.enter_async_context(context)
            return served

        yield start


def _family(served: ServedProcess) -> list[psutil.Process]:
    """Every process that the service has started: Ray's, its agents, the slot."""
    family = psutil.Process(served.process.pid).children(recursive=True)
    assert len(family) >= 3
    return family


def _listening(process: psutil.Process) -> list[str]:
    """The addresses on which a process takes connections."""
    return [
        connection.laddr.ip.removeprefix("::ffff:")
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]


async def test_with_a_local_cluster_everything_listens_on_loopback(serve: Any) -> None:
    served = await serve(slots=SLOTS)
    await served.url()
    processes = [psutil.Process(served.process.pid), *_family(served)]
    found = {f"{p.pid} {p.name()}": _listening(p) for p in processes}
    print(found)
    assert sum(map(len, found.values())) >= 5
    assert {ip for ips in found.values() for ip in ips} <= {"127.0.0.1", "::1"}


async def test_after_sigterm_nothing_is_left(serve: Any, temporary: Path) -> None:
    (temporary / f"{PREFIX}stale" / "session_1").mkdir(parents=True)
    served = await serve()
    await served.url()
    family = _family(served)
    (folder,) = temporary.glob(f"{PREFIX}*")
    assert folder.name != f"{PREFIX}stale"
    served.process.send_signal(signal.SIGTERM)
    assert await served.ended() == 0
    assert "Traceback" not in served.printed
    _, alive = psutil.wait_procs(family, timeout=GONE_S)
    assert alive == []
    # What torch keeps for the next process of this user is no session's.
    assert {path.name.rpartition("_")[0] for path in temporary.iterdir()} <= {"torchinductor"}


@pytest.mark.parametrize("end", ["kill -9", "second signal"])
async def test_a_service_that_ends_at_once_leaves_no_process(
    serve: Any, temporary: Path, end: str
) -> None:
    served = await serve()
    url = await served.url()
    family = _family(served)
    ended_at = time.monotonic()
    if end == "kill -9":
        served.process.kill()
    else:
        await _ask_for_ever(served, url)
        served.process.send_signal(signal.SIGTERM)
        await served.says("draining")
        ended_at = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
    await served.process.wait()
    _, alive = psutil.wait_procs(family, timeout=GONE_S)
    print(f"{end}: all gone after {time.monotonic() - ended_at:.1f} s")
    assert [(p.pid, p.name()) for p in alive] == []
    assert not any(temporary.glob(f"{PREFIX}*"))


async def _ask_for_ever(served: ServedProcess, url: str) -> None:
    """A request that is under way, and stays so."""
    body = {
        "model": "arithmetic",
        "messages": [{"role": "user", "content": "What is 1 + 2?"}],
        "max_tokens": 200,
        "ignore_eos": True,
        "n": 8,
    }

    async def ask() -> None:
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as http:
            while True:
                await http.post("/v1/chat/completions", json=body)

    asking = asyncio.create_task(ask())
    asking.add_done_callback(lambda task: task.cancelled() or task.exception())
    async with (
        asyncio.timeout(60),
        httpx.AsyncClient(base_url=url, trust_env=False) as http,
    ):
        while not (await http.get("/coterie/pool")).json()["slots"][0]["running"]:
            pass


@pytest.fixture
def broken(tmp_path: Path) -> dict[str, Any]:
    """An expert whose files look right, and that vLLM cannot load."""
    folder = tmp_path / "broken"
    shutil.copytree(ARITHMETIC["model"], folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    # With code of its own, as this says, it might have an architecture that nobody knows.
    config |= {"architectures": ["NoSuchForCausalLM"], "auto_map": {}}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return {"type": "vllm", "model": str(folder)}


async def test_an_expert_that_cannot_be_loaded_does_not_stop_the_others(
    serve: Any, broken: dict[str, Any]
) -> None:
    served = await serve(experts={"broken": broken, "arithmetic": ARITHMETIC}, slots=SLOTS)
    url = await served.url()
    warning = await served.says("broken is not served until a later load succeeds")
    assert "NoSuchForCausalLM" in warning
    body = {"model": "arithmetic", "messages": [{"role": "user", "content": "What is 1 + 2?"}]}
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as http:
        assert (await http.get("/health/readiness")).status_code == 200
        answer = await http.post("/v1/chat/completions", json={**body, "temperature": 0})
        cards = (await http.get("/v1/models")).json()["data"]
        refused = await http.post("/v1/chat/completions", json={**body, "model": "broken"})
    assert answer.json()["choices"][0]["message"]["content"] == "3"
    (card,) = [card for card in cards if card["id"] == "broken"]
    assert "NoSuchForCausalLM" in card["metadata"]["failed"]
    assert (refused.status_code, refused.json()["error"]["source"]) == (503, "broken")


async def test_a_strict_service_ends_with_the_error(serve: Any, broken: dict[str, Any]) -> None:
    served = await serve("--strict", experts={"broken": broken}, slots=SLOTS)
    said = await served.says("error: ")
    assert said.startswith("error: Expert broken could not be loaded: ")
    assert await served.ended() == 1
    assert "Traceback" not in served.printed


# A drain that takes too long: what still runs is cut off and told so.

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
