"""`coterie expert add`: which file describes the new expert, and what becomes of the routers."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from evals.fitting.new_expert import with_expert
from experts.errors import ConfigError
from orchestrator.config.model import Config, load_config

OLD = {"type": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "m"}
NEW = {**OLD, "model": "n"}


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    return write(tmp_path / "pool.yaml", {"experts": {"old": OLD}})


def write(path: Path, tree: object) -> Path:
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


def grow(pool: Path, file: Path) -> tuple[str, Config]:
    return with_expert(load_config(pool), pool, file)


def test_its_lines_alone_are_enough(pool: Path, tmp_path: Path) -> None:
    name, grown = grow(pool, write(tmp_path / "new.yaml", {"experts": {"new": NEW}}))
    assert name == "new"
    assert list(grown.experts) == ["old", "new"]
    assert {path.name for path in tmp_path.iterdir()} == {"pool.yaml", "new.yaml"}


def test_a_whole_configuration_may_have_it(pool: Path, tmp_path: Path) -> None:
    tree = {"version": 1, "experts": {"old": OLD, "new": NEW}}
    name, grown = grow(pool, write(tmp_path / "whole.yaml", tree))
    assert (name, len(grown.experts)) == ("new", 2)


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"experts": {"old": OLD}}, "has old already"),
        ({"experts": {"a": NEW, "b": NEW}}, "has 2 answering experts"),
        ({"version": 1, "experts": {"old": OLD}}, "has 0 answering experts"),
        ({"routers": {}}, "names no experts"),
        (["new"], "names no experts"),
    ],
)
def test_what_is_no_new_expert(pool: Path, tmp_path: Path, tree: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        grow(pool, write(tmp_path / "bad.yaml", tree))


def test_a_missing_file_is_named(pool: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml cannot be read"):
        grow(pool, tmp_path / "nowhere.yaml")
