"""What every router in the registry promises."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from repository import ROOT

from experts.errors import ConfigError
from experts.types import Request
from routers.base import Decision, Router
from routers.registry import ROUTERS, build, check, router_class, shared_encoder

EXPERTS = ("atlas", "adder")
QUERIES = ["add nine one", "capital of chad", "", "add one two", "zzz", "\ud83d half a smile"]


@pytest.fixture(params=ROUTERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def config(kind: str, outcomes_path: Path, query_router: Path) -> dict[str, Any]:
    """The keys that the router needs, out of those that routers need."""
    values = {
        "type": kind,
        "expert": "adder",
        "outcomes": str(outcomes_path),
        "artifact": str(query_router),
    }
    known = set(router_class(kind).Config.model_fields)
    if "outcomes" in known:
        known.discard("artifact")
    return {key: value for key, value in values.items() if key in known}


@pytest.fixture
def router(config: dict[str, Any], encoder: Any) -> Router:
    return build("auto", config, EXPERTS, lambda: encoder)


@pytest.fixture
def requests(ask: Callable[..., Request]) -> list[Request]:
    return [ask(query, f"r{number}") for number, query in enumerate(QUERIES)]


def test_config_forbids_unknown_keys_and_names_the_path(kind, config, encoder) -> None:
    with pytest.raises(ConfigError) as caught:
        build("auto", {**config, "nieghbours": 3}, EXPERTS, lambda: encoder)

    (problem,) = caught.value.problems
    assert problem.startswith("routers.auto.nieghbours: unknown key. ")
    assert "Known keys: type" in problem or "Did you mean `neighbours`?" in problem


def test_config_never_changes(kind, config) -> None:
    parsed = router_class(kind).Config.model_validate(config)

    with pytest.raises(ValueError, match="frozen"):
        parsed.type = "other"


def test_every_key_is_described(kind) -> None:
    fields = router_class(kind).Config.model_fields

    assert all(field.description for name, field in fields.items() if name != "type")


def test_class_and_config_have_a_docstring(kind) -> None:
    made = router_class(kind)

    assert made.__doc__
    assert made.Config.__doc__


def test_one_decision_per_request_in_order(router, requests) -> None:
    decisions = router.route(requests)

    assert [type(decision) for decision in decisions] == [Decision] * len(requests)
    assert {decision.router for decision in decisions} == {"auto"} == {router.name}
    assert all(decision.reason for decision in decisions)
    assert router.route([]) == []


def test_scores_are_sorted_qualities_of_known_experts(router, requests) -> None:
    for decision in router.route(requests):
        names = [expert for expert, _ in decision.scores]
        scores = [score for _, score in decision.scores]

        assert names
        assert set(names) <= set(EXPERTS)
        assert len(set(names)) == len(names)
        assert scores == sorted(scores, reverse=True)
        assert all(type(score) is float and 0 <= score <= 1 for score in scores)


def test_deterministic(config, requests, encoder) -> None:
    first, second = (build("auto", config, EXPERTS, lambda: encoder) for _ in range(2))

    assert first.route(requests) == first.route(requests) == second.route(requests)


def test_order_of_the_pool_does_not_matter(config, requests, encoder) -> None:
    first = build("auto", config, EXPERTS, lambda: encoder)
    second = build("auto", config, EXPERTS[::-1], lambda: encoder)

    assert first.route(requests) == second.route(requests)


def test_batch_equals_one_by_one(router, requests) -> None:
    assert router.route(requests) == [router.route([request])[0] for request in requests]


def test_check_accepts_a_profile_that_is_still_to_come(config) -> None:
    if "outcomes" in config:
        config["outcomes"] = "nowhere/outcomes.parquet"

    check("auto", config, EXPERTS)


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({}, "routers.auto.type: this key is required (known: static, random, knn"),
        ({"type": "magic"}, "routers.auto.type: there is no type `magic`"),
        ({"type": "static"}, "routers.auto.expert: this key is required: the expert"),
        ({"type": "static", "expert": "eve"}, "routers.auto.expert: no expert is called `eve`"),
        (
            {"type": "static", "expert": ["atlas", "eve"]},
            "routers.auto.expert: no expert is called",
        ),
        ({"type": "static", "expert": []}, "routers.auto.expert: name at least one expert"),
        ({"type": "static", "expert": ["atlas"] * 2}, "routers.auto.expert: name at least one"),
        (
            {"type": "knn", "outcomes": "x", "neighbours": 0},
            "routers.auto.neighbours: must be greater than or equal to 1.",
        ),
    ],
)
def test_mistakes_are_named_with_their_path(config, problem) -> None:
    with pytest.raises(ConfigError) as caught:
        check("auto", config, EXPERTS)

    assert caught.value.problems[0].startswith(problem)


def test_unknown_type() -> None:
    with pytest.raises(ConfigError, match="there is no type `magic`"):
        router_class("magic")


def test_static_chooses_its_expert(ask) -> None:
    router = build("auto", {"type": "static", "expert": "atlas"}, EXPERTS, pytest.fail)

    assert router.route([ask("add one")])[0].scores == (("atlas", 1.0),)


def test_static_may_be_a_panel_in_its_own_order(ask) -> None:
    config = {"type": "static", "expert": ["adder", "atlas"]}
    decision = build("auto", config, EXPERTS, pytest.fail).route([ask("add one")])[0]

    assert decision.scores == (("adder", 1.0), ("atlas", 1.0))
    assert decision.reason == "adder, atlas are configured to answer everything."


def test_random_chooses_each_expert_about_equally_often(ask) -> None:
    router = build("auto", {"type": "random", "seed": 7}, EXPERTS, pytest.fail)
    decisions = router.route([ask("same", f"r{number}") for number in range(1000)])
    first = [decision.scores[0][0] for decision in decisions]

    assert 430 < first.count("adder") < 570


def test_random_seeds_differ(ask) -> None:
    requests = [ask("same", f"r{number}") for number in range(20)]
    first, second = (
        build("auto", {"type": "random", "seed": seed}, EXPERTS, pytest.fail) for seed in (1, 2)
    )

    assert first.route(requests) != second.route(requests)


def test_simple_routers_and_checks_load_no_heavy_library() -> None:
    code = """
import sys
from routers.registry import build, check, shared_encoder
encoder = shared_encoder()
build("a", {"type": "static", "expert": "e"}, ("e",), encoder)
build("b", {"type": "random"}, ("e",), encoder)
check("c", {"type": "knn", "outcomes": "x"}, ("e",))
print({"torch", "transformers", "sklearn"} & set(sys.modules))
"""
    root = ROOT
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )

    assert done.stdout.strip() == "set()"


def test_shared_encoder_is_made_once() -> None:
    encoder = shared_encoder()

    assert encoder() is encoder()
    assert encoder().name == "all-MiniLM-L6-v2"
