"""What the commands do around the service: the service itself is made up here."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from evals.cli import launch
from evals.client.progress import Progress
from evals.tasks.task import Task
from experts.errors import ConfigError, ServiceError
from orchestrator.config.model import Config

REMOTE = {"type": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m"}


class FakeService:
    """Where the fake gateway is; remembers that it was stopped."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.stopped = False

    def expert_base_url(self, expert: str) -> str | None:
        return f"{self.base_url}/v1" if expert == "alpha" else None

    async def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def started(
    gateway: Any, monkeypatch: pytest.MonkeyPatch, make_task: Callable[..., Task]
) -> Iterator[list[tuple[Config, FakeService]]]:
    """Every configuration that was started, with its service."""
    services: list[tuple[Config, FakeService]] = []

    async def start_service(settings: Config, **options: Any) -> FakeService:
        assert (options["host"], options["port"]) == ("127.0.0.1", 0)
        services.append((settings, FakeService(gateway.base_url)))
        return services[-1][1]

    tasks = {name: make_task(name) for name in ("alpha", "beta")}
    monkeypatch.setattr(launch, "start_service", start_service)
    monkeypatch.setattr(launch, "load_tasks", lambda names=(): tasks)
    yield services
    assert all(service.stopped for _, service in services)


def _config(**changes: Any) -> Config:
    tree: dict[str, Any] = {
        "experts": {"alpha": REMOTE, "beta": REMOTE},
        "routers": {"near": {"type": "knn", "outcomes": "/nowhere/outcomes.parquet"}},
        "compositions": {"pool/auto": {"router": "near"}},
    }
    return Config.model_validate({**tree, **changes})


def _progress() -> Progress:
    return Progress(Console(file=io.StringIO(), width=120))


async def test_the_demo_stops_the_service_before_its_table(started: list[Any]) -> None:
    progress = _progress()
    finish = await launch.demo(progress, _config(), 2)

    assert started[0][1].stopped
    assert finish(progress.console) == 1  # Nobody's made-up answers are right.


async def test_the_report_and_the_profile_need_no_outcome_table(
    started: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoEncoder:
        name, dimension = "none", 1

        def encode(self, texts: list[str]) -> Any:
            return [[1.0]] * len(texts)

    monkeypatch.setattr(launch, "MiniLMEncoder", NoEncoder)
    progress = _progress()
    await launch.report(progress, _config())
    finish = await launch.profile(progress, _config(), (), tmp_path / "outcomes.parquet")

    assert [settings.routers for settings, _ in started] == [{}, {}]
    assert finish(progress.console) == 0
    assert (tmp_path / "outcomes.parquet").exists()


async def test_a_profile_has_to_know_where_its_table_goes(started: list[Any]) -> None:
    with pytest.raises(ConfigError, match="--out"):
        await launch.profile(_progress(), _config(routers={}, compositions={}), (), None)

    assert started == []


async def test_what_can_not_be_measured(started: list[Any]) -> None:
    with pytest.raises(ConfigError, match=r"No expert to measure.*Known: alpha, beta"):
        await launch.bench(_progress(), _config(), "gamma", 1, None)
    with pytest.raises(ServiceError, match="beta has no endpoint"):
        await launch.bench(_progress(), _config(), "beta", 1, None)


async def test_a_demo_needs_the_composition(started: list[Any]) -> None:
    with pytest.raises(ConfigError, match="no composition `pool/auto`"):
        await launch.demo(_progress(), _config(compositions={}), 1)
