"""A whole service without slots: it comes up, answers, and leaves nothing behind."""

import socket
from pathlib import Path
from typing import Any

import httpx
import pytest
from repository import ROOT

from aggregators import equality
from experts.errors import ConfigError, ServiceError
from experts.openai import ExpertClient
from orchestrator.config.model import Config
from orchestrator.server.wire.listening import take
from orchestrator.service.service import (
    refuse_shadowing_folder,
    start_service,
)
from orchestrator.store.memory_store import MemoryStore


@pytest.fixture
def config(upstream: Any) -> Config:
    tiny = {"type": "openai", "base_url": upstream.base_url, "model": "tiny-model"}
    return Config.model_validate({"experts": {"tiny": tiny}, "server": {"port": 0}})


async def test_a_service_answers_until_it_is_stopped(config: Config) -> None:
    service = await start_service(config, on_event=lambda event: None)
    body = {"model": "tiny", "messages": [{"role": "user", "content": "x"}]}
    async with httpx.AsyncClient(base_url=service.base_url, trust_env=False) as client:
        answer = await client.post("/v1/chat/completions", json=body)
        assert answer.status_code == 200
        await service.stop()
        with pytest.raises(httpx.ConnectError):
            await client.get("/health")


async def test_an_experts_own_endpoint_is_known(config: Config, upstream: Any) -> None:
    service = await start_service(config, on_event=lambda event: None)
    assert service.expert_base_url("tiny") == upstream.base_url
    await service.stop()


async def test_a_router_that_cannot_be_built_frees_the_port(
    config: Config, unused_port: int, tmp_path: Path
) -> None:
    router = {"type": "knn", "outcomes": str(tmp_path / "none.parquet")}
    broken = config.model_copy(update={"routers": {"k": router}})
    with pytest.raises(ConfigError, match=r"none\.parquet"):
        await start_service(broken, on_event=lambda event: None, port=unused_port)
    take("127.0.0.1", unused_port, "port").close()


class CountedStore(MemoryStore):
    """Knows whether it was closed."""

    closed = False

    async def close(self) -> None:
        self.closed = True


async def test_a_taken_port_opens_no_store(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    async def open_one(url: str) -> MemoryStore:
        opened.append(url)
        return MemoryStore()

    monkeypatch.setattr("orchestrator.service.service.open_store", open_one)
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(ServiceError, match="Address already in use"),
    ):
        await start_service(config, on_event=lambda event: None, port=taken.getsockname()[1])
    assert opened == []


async def test_a_start_that_fails_closes_the_store(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = CountedStore()

    async def open_one(url: str) -> MemoryStore:
        return store

    monkeypatch.setattr("orchestrator.service.service.open_store", open_one)
    router = {"type": "knn", "artifact": str(tmp_path / "broken")}
    (tmp_path / "broken").touch()
    with pytest.raises(ConfigError, match="broken"):
        await start_service(
            config.model_copy(update={"routers": {"k": router}}), on_event=lambda event: None
        )
    assert store.closed


async def test_a_store_that_is_not_there_frees_the_port(config: Config, unused_port: int) -> None:
    lost = config.model_copy(update={"store": f"redis://127.0.0.1:{unused_port}/0"})
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ServiceError, match="is not reachable"):
        await start_service(lost, on_event=lambda event: None, port=port)
    take("127.0.0.1", port, "port").close()


async def test_the_bounds_of_the_configuration_reach_what_they_bound(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, int]] = []

    class Client(ExpertClient):
        def __init__(self, max_connections: int) -> None:
            told.append(("connections", max_connections))
            super().__init__(max_connections)

    monkeypatch.setattr("orchestrator.service.service.ExpertClient", Client)
    monkeypatch.setattr(equality, "limit_children", lambda n: told.append(("children", n)))
    bounds = {"max_connections": 7, "max_answer_checks": 3}
    server = config.server.model_copy(update=bounds)
    bounded = config.model_copy(update={"server": server})
    service = await start_service(bounded, on_event=lambda event: None)
    await service.stop()
    assert sorted(told) == [("children", 3), ("connections", 7)]


@pytest.fixture
def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_our_own_folder_hides_nothing() -> None:
    refuse_shadowing_folder(ROOT)


@pytest.mark.parametrize("package", ["experts", "routers", "aggregators", "orchestrator", "evals"])
def test_a_folder_with_a_package_called_like_ours_is_refused(tmp_path: Path, package: str) -> None:
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").touch()
    with pytest.raises(ServiceError, match=package):
        refuse_shadowing_folder(tmp_path)


@pytest.mark.parametrize("key", ["traces", "feedback"])
async def test_a_file_that_cannot_be_written_is_found_at_the_start(
    key: str, config: Config, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    file = tmp_path / "file" / "lines.jsonl"
    section = getattr(config, key).model_copy(update={"file": file})
    broken = config.model_copy(update={key: section})
    with pytest.raises(ConfigError, match=rf"^{key}\.file: .*lines\.jsonl cannot be written \("):
        await start_service(broken, on_event=lambda event: None)


@pytest.mark.parametrize("key", ["traces", "feedback"])
async def test_a_folder_that_is_not_there_is_not_made(
    key: str, config: Config, tmp_path: Path
) -> None:
    file = tmp_path / "misspelt" / "lines.jsonl"
    section = getattr(config, key).model_copy(update={"file": file})
    broken = config.model_copy(update={key: section})
    with pytest.raises(ConfigError, match=rf"^{key}\.file: .*there is no folder {file.parent};"):
        await start_service(broken, on_event=lambda event: None)
    assert list(tmp_path.iterdir()) == []
