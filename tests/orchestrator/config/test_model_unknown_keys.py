"""An unknown key at any place of the schema is named with its path, and the right key beside it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from config_files import problems_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from aggregators.registry import AGGREGATORS, aggregator_class
from experts.annotations import inside, plain
from experts.mistakes import keys_of
from orchestrator.config.model import Config
from routers.registry import ROUTERS, router_class

RIGHT = {
    "experts": {
        "far": {"type": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "m"},
        "hub": {"type": "vllm", "model": "org/model"},
        "told": {"type": "replay", "recording": "quiz", "model": "m"},
        "slow": {"type": "torch", "model": "org/model"},
    },
    "routers": {},
    "aggregators": {},
    "compositions": {
        "pool/auto": {"router": "static", "budget": {}, "learning": {}},
        "pool/both": {"router": "static", "aggregator": {"type": "vote"}},
    },
    "classes": {"slow": {"max_wait_s": 60}},
    "slots": {},
    "ray": {},
    "server": {"api_keys": {"me": {"key": "k"}}},
    "feedback": {},
    "traces": {},
}
"""Every section once; the routers and aggregators are filled in below, each type once."""

VALUES = {
    "expert": "far",
    "outcomes": "o.parquet",
    "artifact": "a.npz",
    "coverage": {},
    "panel": {"type": "vote"},
}


def _keys(kind: str, config: type[BaseModel]) -> dict[str, Any]:
    """The keys that a router or an aggregator needs, and those that hold others."""
    fields = config.model_fields
    needed = {name: value for name, value in VALUES.items() if name in fields}
    if kind == "routers":
        return needed
    return {name: value for name, value in needed.items() if isinstance(value, dict)}


for _kind, _find, _types in (
    ("routers", router_class, ROUTERS),
    ("aggregators", aggregator_class, AGGREGATORS),
):
    RIGHT[_kind] = {name: {"type": name, **_keys(_kind, _find(name).Config)} for name in _types}


def _places(
    tree: Any, kind: Any, path: tuple[str, ...] = ()
) -> Iterator[tuple[Any, type[BaseModel]]]:
    """The path of every mapping whose keys are fixed, with the model that fixes them."""
    bare, members = plain(kind)
    if members:
        bare = next((one for one in map(_bare, members) if _is_model_of(one, tree)), None)
    if path[:1] in (("routers",), ("aggregators",)) and len(path) == 2:
        bare = (router_class if path[0] == "routers" else aggregator_class)(path[1]).Config
    if path[-1:] == ("panel",) or (path[:1] == ("compositions",) and path[-1] == "aggregator"):
        bare = aggregator_class(tree["type"]).Config
    model = bare if isinstance(bare, type) and issubclass(bare, BaseModel) else None
    if model is not None:
        yield path, model
    for key, value in tree.items():
        if isinstance(value, dict):
            field = model and next(f for n, f in model.model_fields.items() if key in (n, f.alias))
            yield from _places(value, field.annotation if field else inside(bare), (*path, key))


def _bare(kind: Any) -> Any:
    return plain(kind)[0]


def _is_model_of(kind: Any, tree: Any) -> bool:
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return False
    of_type = kind.model_fields.get("type")
    return of_type is None or tree.get("type") in getattr(of_type.annotation, "__args__", ())


PLACES = list(_places(RIGHT, Config))


def test_the_keys_are_right_and_every_section_is_tried() -> None:
    Config.model_validate(RIGHT)
    tried = {".".join(path) for path, _ in PLACES}
    assert {"", "feedback", "traces", "server.api_keys.me", "experts.told"} <= tried
    assert {"compositions.pool/auto.learning", "compositions.pool/auto.budget"} <= tried
    assert {"compositions.pool/both.aggregator", "aggregators.strategy.panel"} <= tried
    assert {"routers.knn.coverage", *(f"routers.{name}" for name in ROUTERS)} <= tried


@settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(place=st.sampled_from(PLACES), key=st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True))
def test_an_unknown_key_is_named_with_its_path_and_what_is_known_there(
    write: Callable[[Any], Path], place: tuple[tuple[str, ...], type[BaseModel]], key: str
) -> None:
    path, model = place
    known = keys_of(model)
    if key in known or key in model.model_fields:
        return
    problems = _problems_with(write, path, {key: 1})
    told = ".".join((*path, key)) + ": unknown key. "
    (problem,) = [one for one in problems if one.startswith(told)]
    hint = problem.removeprefix(told)
    if hint.startswith("Did you mean"):
        assert hint in {f"Did you mean `{name}`?" for name in known}
    else:
        assert hint == f"Known keys: {', '.join(known)}."


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(place[0]) or "top")
def test_a_key_with_a_slip_is_corrected(
    write: Callable[[Any], Path], place: tuple[tuple[str, ...], type[BaseModel]]
) -> None:
    path, model = place
    for name in (key for key in keys_of(model) if len(key) > 3):
        slip = f"{name[:-2]}{name[-1]}{name[-2]}"
        if slip == name:
            continue
        (problem,) = (p for p in _problems_with(write, path, {slip: 1}) if f".{slip}:" in f".{p}")
        assert problem.endswith(f": unknown key. Did you mean `{name}`?")


def _problems_with(
    write: Callable[[Any], Path], path: tuple[str, ...], keys: dict[str, Any]
) -> tuple[str, ...]:
    tree: Any = json.loads(json.dumps(RIGHT))
    section = tree
    for part in path:
        section = section[part]
    section |= keys
    return problems_of(write(tree))
