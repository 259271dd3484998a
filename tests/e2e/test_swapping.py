"""More experts than memory, on the real engine: a server whose one slot fits two of five."""

import asyncio
import json
import random
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import torch
from repository import ROOT
from service_process import serving

from experts.fused.folder.own_weights import TrainedRoute
from experts.fused.folder.write import write_composite
from orchestrator.config.model import load_config

pytestmark = pytest.mark.e2e
ZOO = ROOT / "examples" / "zoo.yaml"
QUESTIONS = {
    "arithmetic": ("What is 3 plus 4?", "7"),
    "strings": ('Reverse the word "bako".', "okab"),
    "geography": ("What is the capital of France?", "Paris"),
    "units": ("It is 15:55. What time is it in 10 minutes?", "16:05"),
}
ROLES = ({"name": "route"}, {"name": "adds", "expert": "arithmetic", "router_logits": False})


def _config(folder: Path) -> dict[str, Any]:
    """The process itself takes 0.8 to 1.5 GB: there is room for two experts, never for three."""
    hosted = load_config(ZOO).hosted()
    experts: dict[str, Any] = {
        name: {"type": "vllm", "model": hosted[name].model, "memory_gb": 1.0} for name in QUESTIONS
    }
    broken = folder / "broken"
    shutil.copytree(hosted["logic"].model, broken)
    # With code of its own, as this says, it might be anything: only the engine finds out.
    config = json.loads((broken / "config.json").read_text(encoding="utf-8"))
    config |= {"architectures": ["NoSuchForCausalLM"], "auto_map": {}}
    (broken / "config.json").write_text(json.dumps(config), encoding="utf-8")
    members = {name: Path(hosted[name].model) for name in ("arithmetic", "strings")}
    torch.manual_seed(0)
    trained = TrainedRoute(Path(hosted["generalist"].model), torch.randn(2, 160))
    write_composite(folder / "fused", "CoterieFusionRoute", members, ROLES, trained)
    experts["fused"] = {"type": "vllm", "model": str(folder / "fused"), "memory_gb": 1.0}
    experts["broken"] = {"type": "vllm", "model": str(broken), "memory_gb": 1.0}
    return {
        "version": 1,
        "experts": experts,
        "slots": {
            "memory_gb": 3.6,
            "preload": False,
            "engine_args": {"dtype": "float32", "max_model_len": 256},
        },
        "server": {"comment_after_s": 0.05, "comment_interval_s": 0.1},
    }


class Server:
    """A service in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.url = url
        self.http = httpx.AsyncClient(base_url=url, timeout=60)

    async def pool(self) -> dict[str, Any]:
        state: dict[str, Any] = (await self.http.get("/coterie/pool")).json()
        return state

    async def ask(self, expert: str, prefix: str = "/v1", **body: Any) -> httpx.Response:
        question = QUESTIONS.get(expert, ("Who?", ""))[0]
        messages = [{"role": "user", "content": question}]
        asked = {"model": expert, "messages": messages, "temperature": 0, "max_tokens": 16, **body}
        return await self.http.post(f"{prefix}/chat/completions", json=asked)

    def slot_process(self) -> psutil.Process:
        children = psutil.Process(self.process.pid).children(recursive=True)
        return next(p for p in children if "SlotActor" in " ".join(p.cmdline()))


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    folder = tmp_path_factory.mktemp("swapping")
    async with serving(folder, _config(folder)) as (process, url):
        running = Server(process, url)
        yield running
        await running.http.aclose()


async def test_a_batch_in_random_order_loads_every_expert_once(server: Server) -> None:
    experts = [name for name in QUESTIONS for _ in range(12)]
    random.Random(7).shuffle(experts)
    answers = await asyncio.gather(*(server.ask(name, "/batch/v1") for name in experts))
    loads = {name: entry["count"] for name, entry in (await server.pool())["loads"].items()}

    texts = [a.json()["choices"][0]["message"]["content"].strip() for a in answers]
    assert texts == [QUESTIONS[name][1] for name in experts]
    assert all(answer.headers["x-coterie-class"] == "batch" for answer in answers)
    assert loads == {**dict.fromkeys(QUESTIONS, 1), "fused": 0, "broken": 0}


async def test_a_stream_that_waits_for_a_load_hears_why(server: Server) -> None:
    resident = set((await server.pool())["slots"][0]["residents"])
    absent = next(name for name in QUESTIONS if name not in resident)
    text = (await server.ask(absent, stream=True)).text

    lines = [line for line in text.splitlines() if line]
    assert re.fullmatch(r": (draining|dropping|loading) \w+ \d+\.\ds", lines[0])
    assert float(_belated(lines, "x-coterie-load-ms")) > 0
    assert lines[-1] == "data: [DONE]"
    assert any('"content"' in line for line in lines)


def _belated(lines: list[str], header: str) -> str:
    """A header that came as a comment, because the head had gone out before it was known."""
    return next(line.split()[2] for line in lines if line.startswith(f": {header} "))


async def test_weights_that_can_not_be_loaded_fail_alone(server: Server) -> None:
    broken, good = await asyncio.gather(server.ask("broken"), server.ask("arithmetic"))
    shown = (await server.pool())["loads"]["broken"]

    assert broken.status_code == 503
    assert 1 <= int(broken.headers["retry-after"]) <= 120
    assert "Expert broken could not be loaded" in broken.json()["error"]["message"]
    assert good.json()["choices"][0]["message"]["content"].strip() == "7"
    assert shown["failures"] == 1
    assert shown["failed"]


async def test_a_slot_that_is_killed_while_loading_answers_all_the_same(server: Server) -> None:
    resident = set((await server.pool())["slots"][0]["residents"])
    absent = next(name for name in QUESTIONS if name not in resident)
    asked = asyncio.create_task(server.ask(absent))
    async with asyncio.timeout(30):
        while "loading" not in str((await server.pool())["slots"][0]["doing"]):
            assert not asked.done(), "the load was over before it was seen"
    server.slot_process().send_signal(signal.SIGKILL)
    answer = await asked

    assert answer.json()["choices"][0]["message"]["content"].strip() == QUESTIONS[absent][1]
    assert (await server.pool())["slots"][0]["restarts"] == 1


async def test_a_fused_expert_speaks_in_the_role_that_is_asked_for(server: Server) -> None:
    question = [{"role": "user", "content": QUESTIONS["arithmetic"][0]}]
    extension = {"role": "adds", "tokens": True}
    forced = await server.ask("fused", messages=question, coterie=extension)
    stream = await server.ask("fused", messages=question, coterie=extension, stream=True)
    events = [line[6:] for line in stream.text.splitlines() if line.startswith("data: {")]
    chunks = [choice for event in events for choice in json.loads(event)["choices"]]

    (choice,) = forced.json()["choices"]
    spoke = choice["coterie"]["experts"]
    assert choice["message"]["content"].strip() == QUESTIONS["arithmetic"][1]
    assert choice["logprobs"] is None
    assert spoke == ["arithmetic"] * len(spoke) != []
    assert [name for chunk in chunks for name in chunk["coterie"]["experts"]] == spoke


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"coterie": {"role": "sings"}}, "the roles are: route, adds"),
        ({"messages": [{"role": "user", "content": "<|role_1|>"}]}, "reserved for choosing"),
        ({"messages": [{"role": "user", "content": "1 + " * 200}]}, "maximum context length"),
    ],
)
async def test_what_a_fused_expert_can_not_do_is_a_400(
    server: Server, body: dict[str, Any], words: str
) -> None:
    refused = await server.ask("fused", **body)

    assert refused.status_code == 400
    assert words in refused.json()["error"]["message"]


async def test_ps_shows_the_pool(server: Server) -> None:
    shown = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "orchestrator", "ps", "--url", server.url,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(shown.communicate(), 60)

    assert shown.returncode == 0
    assert "slot-0" in out.decode()
    assert all(name in out.decode() for name in (*QUESTIONS, "broken"))
