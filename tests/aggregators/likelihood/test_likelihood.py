"""What a pooled likelihood can be asked, and what its keys may say."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from scripted_ask import ScriptedAsk, chat, said

from aggregators.base import Panel, most_calls
from aggregators.likelihood.likelihood import Likelihood, LikelihoodConfig, prompts_in
from aggregators.registry import problems
from experts.errors import RequestError
from experts.types import Request

SCORE = {"prompt": "a b", "echo": True, "logprobs": 1, "max_tokens": 1, "temperature": 0}
POOL = ("one", "two", "three")


def made(**keys: Any) -> Likelihood:
    return Likelihood(LikelihoodConfig(type="likelihood", **keys))


def asked(**changes: Any) -> Request:
    body = {name: value for name, value in {**SCORE, **changes}.items() if value != "absent"}
    return made(alternatives=4).asked(Request("r", "completions", body))


def test_what_a_harness_sends_is_handed_on() -> None:
    body = asked(seed=1234, prompt=[[1, 2], [3]], stream=None, n=1).body
    assert body == {
        **{"prompt": [[1, 2], [3]], "max_tokens": 1, "seed": 1234},
        **{"echo": True, "logprobs": 4, "temperature": 0},
    }
    assert asked(logprobs=9).body["logprobs"] == 9
    assert asked(max_tokens=0, temperature="absent").body["temperature"] == 0


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"echo": "absent"}, "echo"),
        ({"echo": False}, "echo"),
        ({"echo": 1}, "echo"),
        ({"logprobs": "absent"}, "logprobs"),
        ({"logprobs": True}, "logprobs"),
        ({"logprobs": -1}, "logprobs"),
        ({"max_tokens": "absent"}, "max_tokens"),
        ({"max_tokens": 2}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"temperature": "absent"}, "temperature"),
        ({"stream": True}, "stream"),
        ({"n": 2}, "n"),
        ({"best_of": 2}, "best_of"),
        ({"stop": ["x"]}, "stop"),
        ({"logit_bias": {"1": 5}}, "logit_bias"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [[]]}, "prompt"),
        ({"prompt": ["a", [1]], "stop": None}, None),
        ({"prompt": [1.5]}, "prompt"),
        ({"prompt": None}, "prompt"),
    ],
)
def test_anything_else_is_refused_with_what_it_can_do(
    changes: dict[str, Any], param: str | None
) -> None:
    if param is None:
        assert prompts_in(asked(**changes).body) == 2
        return
    with pytest.raises(RequestError, match="POST /v1/completions with `echo: true`") as caught:
        asked(**changes)
    assert caught.value.param == param


@pytest.mark.parametrize(("prompt", "count"), [("a", 1), ([1, 2], 1), (["a"], 1), ([[1], [2]], 2)])
def test_prompts_are_counted(prompt: Any, count: int) -> None:
    assert prompts_in({"prompt": prompt}) == count


def test_chat_is_refused() -> None:
    with pytest.raises(RequestError, match="does not generate"):
        made().asked(chat())


async def test_it_answers_in_no_other_aggregator_either() -> None:
    with pytest.raises(RequestError, match="does not generate"):
        await said(made(), Panel(POOL), ScriptedAsk({}))


def test_its_members_are_those_that_count() -> None:
    assert made().members(POOL) == POOL
    weighted = made(weights={"two": 3, "three": 0, "one": 1})
    assert weighted.members(POOL) == ("two", "one")
    assert weighted.weights(("one", "two")) == (1, 3)
    assert made().weights(POOL) == (1, 1, 1)
    assert most_calls(weighted, Panel(("one", "two", "one"))) == Counter(one=1, two=1)
    with pytest.raises(RequestError, match="Expert three has no weight") as caught:
        weighted.weights(("one", "three"))
    assert caught.value.param == "coterie.experts"


@pytest.mark.parametrize(
    ("keys", "said_of_it"),
    [
        ({"weights": {"four": 1}}, "weights: no expert is called `four`"),
        ({"weights": {"one": -1}}, "weights: no weight may be below 0"),
        ({"weights": {"one": 0}}, "weights: some weight must be above 0"),
        ({"alternatives": 0}, "alternatives"),
    ],
)
def test_mistakes_in_its_keys_are_named(keys: dict[str, Any], said_of_it: str) -> None:
    (problem,) = problems({"type": "likelihood", **keys}, POOL)
    assert said_of_it in problem
