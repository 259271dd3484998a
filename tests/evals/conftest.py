"""A small OpenAI-compatible server with a made-up pool, and tasks to ask it."""

import io
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from aiohttp import web
from rich.console import Console

from evals.client import service
from evals.client.progress import Progress
from evals.tasks.task import Sample, Task, TaskSpec
from orchestrator.config.model import Config


class FakeGateway:
    """Answers with `reply(model, question)`; a model called `broken` gets an HTTP error."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.bodies: list[dict[str, Any]] = []
        self.expert_of: Callable[[str, str], str] = lambda model, question: model
        self.reply: Callable[[str, str], str] = lambda model, question: f"{model}: {question}"
        self.base_url = ""

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """One chat completion, streamed in two pieces where the caller asks for that."""
        body = await request.json()
        model, question = body["model"], body["messages"][-1]["content"]
        self.asked.append((model, question))
        self.bodies.append(body)
        if model == "broken":
            error = {"error": {"message": "it broke", "code": "expert_error"}}
            return web.json_response(error, status=502)
        expert = self.expert_of(model, question)
        text = self.reply(expert, question)
        headers = {"x-coterie-expert": expert, "x-coterie-route-ms": "1.50"}
        usage = {"prompt_tokens": 3, "completion_tokens": 2}
        if not body.get("stream"):
            choice = {"message": {"role": "assistant", "content": text}}
            return web.json_response({"choices": [choice], "usage": usage}, headers=headers)
        response = web.StreamResponse(headers={**headers, "content-type": "text/event-stream"})
        await response.prepare(request)
        deltas = [{"role": "assistant", "content": ""}, *({"content": p} for p in _halves(text))]
        events: list[dict[str, Any]] = [{"choices": [{"delta": delta}]} for delta in deltas]
        if model == "cut":
            await response.write(f"data: {json.dumps(events[1])}\n\n".encode())
            return response
        for event in [*events, {"choices": [], "usage": usage}]:
            await response.write(f"data: {json.dumps(event)}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        return response

    async def pool(self, request: web.Request) -> web.Response:
        """What the service tells about its slots."""
        slot = {"id": "slot-0", "residents": ["alpha", "beta"], "memory_gb": 1.5}
        loads = {"alpha": {"count": 1, "seconds": 0.5}, "beta": {"count": 1, "seconds": 0.7}}
        return web.json_response({"slots": [slot], "loads": loads})


def _halves(text: str) -> tuple[str, str]:
    return text[: len(text) // 2], text[len(text) // 2 :]


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    """A running fake; its URL without /v1 is `base_url`."""
    fake = FakeGateway()
    application = web.Application()
    application.router.add_post("/v1/chat/completions", fake.chat)
    application.router.add_get("/coterie/pool", fake.pool)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    fake.base_url = "http://{}:{}".format(*runner.addresses[0][:2])
    yield fake
    await runner.cleanup()


@pytest.fixture
def make_task() -> Callable[..., Task]:
    """Makes a task with `count` questions per split: `NAME 0?` has the answer `NAME 0`."""

    def make(name: str, count: int = 4) -> Task:
        spec = TaskSpec(
            name=name,
            version=1,
            description="",
            data="unused.jsonl",  # type: ignore[arg-type]
            scorer="exact",
            max_tokens=8,
            skill=name,
        )
        rows = tuple(
            Sample(
                id=f"{name}-{split}-{number}",
                split=split,
                question=f"{name} {split} {number}?",
                answer=f"{name} {number}",
            )
            for split in ("probe", "test")
            for number in range(count)
        )
        return Task(spec, rows)

    return make


class FakeService:
    """Where the fake gateway is; remembers that it was stopped."""

    def __init__(self, config: Config, base_url: str) -> None:
        self.config = config
        self.base_url = base_url
        self.stopped = False

    def expert_base_url(self, expert: str) -> str | None:
        return f"{self.base_url}/v1" if expert == "alpha" else None

    async def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def started(gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[FakeService]]:
    """Every service that a command has started; all must have been stopped in the end."""
    services: list[FakeService] = []

    async def start_service(settings: Config, **options: Any) -> FakeService:
        assert (options["host"], options["port"]) == ("127.0.0.1", 0)
        services.append(FakeService(settings, gateway.base_url))
        return services[-1]

    monkeypatch.setattr(service, "start_service", start_service)
    yield services
    assert all(one.stopped for one in services)


@pytest.fixture
def config() -> Callable[..., Config]:
    """A configuration of two remote experts, with changes."""
    remote = {"type": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m"}

    def make(**changes: Any) -> Config:
        tree: dict[str, Any] = {
            "experts": {"alpha": remote, "beta": remote},
            "routers": {"near": {"type": "knn", "outcomes": "/nowhere/outcomes.parquet"}},
            "compositions": {"pool/auto": {"router": "near"}},
        }
        return Config.model_validate({**tree, **changes})

    return make


@pytest.fixture
def progress() -> Progress:
    """Progress that nobody reads."""
    return Progress(Console(file=io.StringIO(), width=120))
