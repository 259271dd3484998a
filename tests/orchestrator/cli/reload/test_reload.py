"""Two files are compared, and a running service is told to read its own again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from reloading_service import Reloading, hosted, started

from experts.errors import ConfigError, ServiceError
from orchestrator.cli.reload.reload import diff, reload


def write(path: Path, **tree: Any) -> Path:
    path.write_text(yaml.safe_dump({"experts": {"a": hosted()}, **tree}))
    return path


def test_equal_files_differ_in_nothing(tmp_path: Path, capsys: Any) -> None:
    diff(write(tmp_path / "a.yaml"), write(tmp_path / "b.yaml", version=1))
    assert capsys.readouterr().out == "nothing differs\n"


def test_what_differs_is_printed_and_the_code_is_1(tmp_path: Path, capsys: Any) -> None:
    old = write(tmp_path / "a.yaml")
    new = write(tmp_path / "b.yaml", slots={"count": 2}, classes={"gold": {"max_wait_s": 1}})
    with pytest.raises(typer.Exit) as ended:
        diff(old, new)
    assert ended.value.exit_code == 1
    assert capsys.readouterr().out.splitlines() == [
        "class gold added",
        "needs a restart: slots.count 1 -> 2",
    ]


def test_mistakes_of_both_files_are_named(tmp_path: Path) -> None:
    old = write(tmp_path / "a.yaml", slots={"count": 0})
    with pytest.raises(ConfigError) as wrong:
        diff(old, tmp_path / "none.yaml")
    first, second = wrong.value.problems
    assert first.startswith(f"{old}: slots.count")
    assert second.startswith(f"{tmp_path / 'none.yaml'}: there is no such file")


@pytest.fixture
async def served(
    tmp_path: Path, upstream: Any, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Reloading]:
    path = tmp_path / "pool.yaml"
    made = await started(path, upstream.base_url, monkeypatch, experts={"a": hosted()})
    yield made
    await made.close()


async def test_a_service_is_told_to_reload(served: Reloading, capsys: Any) -> None:
    url = served.service.base_url
    await asyncio.to_thread(reload, url, None, False)
    assert "nothing differs from generation 1, which runs\n" in capsys.readouterr().out
    served.write(experts={"a": hosted(), "b": hosted("org/b")})
    await asyncio.to_thread(reload, url, None, True)
    assert capsys.readouterr().out == "expert b added (it is loaded)\n"
    await asyncio.to_thread(reload, url, None, False)
    said = capsys.readouterr().out.splitlines()
    assert [said[0], said[-1]] == ["expert b added (it is loaded)", "generation 2 runs"]
    served.write(experts={})
    with pytest.raises(ServiceError, match="experts"):
        await asyncio.to_thread(reload, url, None, False)
