"""What makes kept answers old: weights, tables, routers; and what does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.config.model import Config
from orchestrator.request.reuse.versions import Versions, versions_of

Make = Callable[..., Versions]


@pytest.fixture
def made(make_config: Callable[..., Config], tmp_path: Path) -> Make:
    """The versions of two experts, the first of them with weights in a folder."""
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"1")

    def make(**sections: Any) -> Versions:
        experts = sections.pop("experts", {})
        usual = {"a": {"model": str(folder), "memory_gb": 1}, "b": 1}
        return versions_of(make_config({**usual, **experts}, **sections))

    return make


def test_nothing_changes_by_itself(made: Make) -> None:
    assert made() == made()
    assert made().of("a") != made().of("b")
    assert made().of("pool/auto") == made().of("coterie/embed") == made().pool


def test_new_weights_and_engine_arguments_are_new_answers(made: Make, tmp_path: Path) -> None:
    before = made()
    (tmp_path / "weights" / "model.safetensors").write_bytes(b"2")
    after = made()
    assert (after.of("a") != before.of("a"), after.of("b") == before.of("b")) == (True, True)
    assert after.pool != before.pool
    other = made(experts={"b": {"memory_gb": 1, "engine_args": {"max_model_len": 8}}})
    assert (other.of("a") == after.of("a"), other.of("b") != after.of("b")) == (True, True)
    slots = made(slots={"engine_args": {"max_model_len": 8}})
    assert slots.of("a") != after.of("a")


def test_another_expert_changes_what_pools_say_and_no_other_expert(made: Make) -> None:
    before, after = made(), made(experts={"c": 1})
    assert before.of("a") == after.of("a")
    assert before.pool != after.pool


def test_routers_and_compositions_and_what_they_read(made: Make, tmp_path: Path) -> None:
    table = tmp_path / "table.parquet"
    table.write_bytes(b"1")
    routers = {"one": {"type": "static", "expert": "a"}, "own": {"type": "x.y:Z", "at": f"{table}"}}
    found = [
        made(),
        made(routers=routers),
        made(routers={**routers, "one": {"type": "static", "expert": "b"}}),
        made(routers=routers, compositions={"pool/one": {"router": "one"}}),
    ]
    table.write_bytes(b"2")
    found.append(made(routers=routers))
    assert len({one.pool for one in found}) == len(found)
    assert len({one.of("a") for one in found}) == 1
