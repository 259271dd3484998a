"""Questions from the hub, through a made-up package `datasets`."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from evals.tasks import hub
from evals.tasks.loading import load_task
from experts.errors import ConfigError

KEYS = "name: far\nhub: {id: org/far, config: main, revision: abc}\n"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the package was asked for."""
    calls: list[Any] = []

    def load_dataset(*args: Any, **kwargs: Any) -> list[dict[str, str]]:
        calls.append((args, kwargs))
        if args[0] == "org/gone":
            raise ConnectionError("no route")
        return [{"question": "a?", "answer": "b"}]

    module = ModuleType("datasets")
    module.load_dataset = load_dataset  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", module)
    monkeypatch.setattr(hub, "find_spec", lambda name: name == "datasets")
    return calls


def test_rows_come_from_the_hub(asked: list[Any], tmp_path: Path) -> None:
    (tmp_path / "far.yaml").write_text(KEYS)
    assert [row.answer for row in load_task(tmp_path / "far.yaml").rows] == ["b"]
    assert asked == [(("org/far", "main"), {"split": "test", "revision": "abc"})]


def test_a_file_that_is_there_is_preferred(asked: list[Any], tmp_path: Path) -> None:
    (tmp_path / "far.yaml").write_text(KEYS + "data: far.jsonl\n")
    (tmp_path / "far.jsonl").write_text('{"question": "c?", "answer": "d"}')
    assert [row.answer for row in load_task(tmp_path / "far.yaml").rows] == ["d"]
    assert asked == []
    (tmp_path / "far.jsonl").unlink()
    assert [row.answer for row in load_task(tmp_path / "far.yaml").rows] == ["b"]


def test_without_a_network_it_is_said(asked: list[Any], tmp_path: Path) -> None:
    (tmp_path / "far.yaml").write_text(KEYS.replace("org/far", "org/gone"))
    with pytest.raises(ConfigError, match="org/gone could not be read: ConnectionError: no route"):
        load_task(tmp_path / "far.yaml")


@pytest.mark.parametrize("data", ["", "data: far.jsonl\n"])
def test_without_the_package_it_is_said(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "find_spec", lambda name: None)
    (tmp_path / "far.yaml").write_text(KEYS + data)
    with pytest.raises(ConfigError) as caught:
        load_task(tmp_path / "far.yaml")
    assert 'pip install "coterie[datasets]"' in caught.value.hint
