"""Routers are made once, and what they warn of is told."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from served_gateway import LengthEncoder

from orchestrator.config.model import Config
from orchestrator.reload import routers
from orchestrator.reload.config_file import Version
from orchestrator.reload.routers import make_routers, unchanged, warnings_of


@pytest.fixture
def config() -> Config:
    tiny = {"type": "openai", "base_url": "http://tiny.test/v1", "model": "tiny-model"}
    return Config.model_validate({"experts": {"tiny": tiny}})


@pytest.mark.parametrize("wanted", [True, False])
def test_the_encoder_is_loaded_where_a_router_asks_for_it(
    config: Config, monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    encoder = LengthEncoder()
    encoded: list[Sequence[str]] = []
    monkeypatch.setattr(encoder, "encode", encoded.append)

    def build(name: str, keys: Any, experts: Any, make: Callable[[], Any], _: Any) -> Any:
        return make() if wanted else None

    monkeypatch.setattr(routers, "build", build)
    made: list[str] = []

    def make() -> LengthEncoder:
        made.append("made")
        return encoder

    routed = config.model_copy(update={"routers": {"one": {}, "two": {}}})
    assert list(make_routers(routed, make, ["one", "two"])) == ["one", "two"]
    assert bool(made) is wanted
    assert len(encoded) == wanted, "the first request must not wait for the weights"


def test_what_a_router_warns_of_is_one_line() -> None:
    warnings = ("routers.auto: a is never chosen.", "routers.auto: b pays.")
    made: dict[str, Any] = {
        "auto": SimpleNamespace(warnings=warnings),
        "quiet": SimpleNamespace(),
    }
    assert warnings_of(made) == ["routers.auto: a is never chosen. b pays."]


def routed(config: Config, **changes: Any) -> Config:
    fixed = {"type": "static", "expert": "tiny"}
    return config.model_copy(update={"routers": {"one": fixed, "two": fixed}, **changes})


def test_a_router_stays_while_its_keys_its_files_and_the_experts_do(config: Config) -> None:
    old = Version(routed(config), files={"routers.one.artifact": "a"})
    same = Version(routed(config), files={"routers.one.artifact": "a"})
    assert unchanged(old, same, ()) == {"one", "two"}
    refitted = Version(routed(config), files={"routers.one.artifact": "b"})
    assert unchanged(old, refitted, ()) == {"two"}
    tiny = config.experts["tiny"]
    grown = Version(routed(config, experts={"tiny": tiny, "other": tiny}))
    assert unchanged(old, grown, ()) == frozenset()


def test_a_router_that_asks_an_expert_stays_while_that_does(config: Config) -> None:
    embed = config.experts["tiny"].model_copy(update={"task": "embed"})
    asking = {"one": {"type": "knn", "encoder": "vectors"}}
    experts = {**config.experts, "vectors": embed}
    old = Version(routed(config, experts=experts, routers=asking))
    assert unchanged(old, old, ()) == {"one"}
    assert unchanged(old, old, {"vectors"}) == frozenset()
    moved = {**experts, "vectors": embed.model_copy(update={"model": "another"})}
    assert unchanged(old, Version(routed(config, experts=moved, routers=asking)), ()) == frozenset()
