"""Compositions whose numbers cannot be met."""

from typing import Any

import pytest
from config_files import REMOTE, problems_of

from orchestrator.config.model import load_config

ONE, ANY = {"type": "static", "expert": "a"}, {"type": "random"}
VOTE = {"type": "vote", "samples": 3}


def tree(**composition: Any) -> dict[str, Any]:
    routers = {"one": ONE, "any": ANY}
    keys = {"router": "one", **composition}
    experts = {"a": REMOTE, "b": REMOTE}
    return {"experts": experts, "routers": routers, "compositions": {"pool/x": keys}}


@pytest.mark.parametrize(
    ("composition", "said"),
    [
        ({"experts": 2}, "experts: 2 experts answer together only with an `aggregator`"),
        (
            {"aggregator": VOTE, "quorum": 5},
            "quorum: 5 answers never come in: there are 3 (experts: 1, samples: 3); lower it.",
        ),
        (
            {"aggregator": {**VOTE, "samples": 9}, "budget": {"calls": 1}},
            "budget.calls: 1 is less than the 2 calls that `vote` needs at least",
        ),
        (
            {"router": "any", "experts": 2, "aggregator": "synthesize", "budget": {"calls": 2}},
            "budget.calls: 2 is less than the 3 calls that `synthesize` needs",
        ),
    ],
    ids=["no aggregator", "quorum", "vote", "synthesize"],
)
def test_numbers_that_cannot_be_met(write: Any, composition: Any, said: str) -> None:
    (problem,) = problems_of(write(tree(**composition)))
    assert problem.startswith(f"compositions.pool/x.{said}")


@pytest.mark.parametrize(
    "composition",
    [
        {"experts": 1},
        {"aggregator": VOTE, "quorum": 3},
        {"aggregator": VOTE, "budget": {"calls": 2}},
        {"router": "any", "aggregator": "rank", "experts": 2, "quorum": 2},
        {"aggregator": "cascade", "budget": {"calls": 1}},
    ],
)
def test_numbers_that_can(write: Any, composition: Any) -> None:
    load_config(write(tree(**composition)))
