"""Texts that several experts score together, over HTTP: the answer, its trace, and what fails."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

NAMES = ("one", "two", "three")
SCORE = {"echo": True, "logprobs": 1, "max_tokens": 0}


def says(*logprobs: float, tokens: Sequence[str] = ("a", "b"), prompts: int = 1) -> str:
    """What a server sends: that log-probability for each token but the first."""
    told = {
        "tokens": tokens,
        "token_logprobs": [None, *logprobs],
        "top_logprobs": [
            None,
            *({token: p} for token, p in zip(tokens[1:], logprobs, strict=True)),
        ],
    }
    choices = [{"index": n, "text": "".join(tokens), "logprobs": told} for n in range(prompts)]
    usage = {"prompt_tokens": 2, "completion_tokens": 0}
    return f"event {json.dumps({'choices': choices, 'usage': usage})}"


def script(*parts: str) -> str:
    return "\n".join(f"{name}: {part}" for name, part in zip(NAMES, parts, strict=False))


@pytest.fixture(scope="module")
async def pool(serve: Any, upstream: Any) -> Any:
    """Three experts, and mixtures of them; no router could choose one."""
    experts = {
        name: {"type": "openai", "base_url": upstream.base_url, "model": name} for name in NAMES
    }
    mixtures = {
        "two": {"one": 3, "two": 1, "three": 0},
        "one": {"one": 1},
        "three": dict.fromkeys(NAMES, 1),
    }
    compositions: dict[str, Any] = {
        f"mix/{name}": {"router": "one", "aggregator": {"type": "likelihood", "weights": weights}}
        for name, weights in mixtures.items()
    }
    strict = {"type": "likelihood", "weights": mixtures["two"], "require_all": True}
    compositions["mix/strict"] = {"router": "one", "aggregator": strict}
    compositions["mix/once"] = {**compositions["mix/strict"], "budget": {"calls": 1}}
    compositions["mix/quick"] = {**compositions["mix/two"], "budget": {"seconds": 0.2}}
    return await serve(experts, compositions=compositions, server={"retries": 1})


async def score(pool: Any, prompt: Any, model: str = "mix/two", **body: Any) -> httpx.Response:
    asked = {"model": model, "prompt": prompt, **SCORE, **body}
    answer: httpx.Response = await pool.http.post("/v1/completions", json=asked)
    return answer


async def test_the_answer_is_the_weighted_mean_of_probabilities(pool: Any) -> None:
    text = script(says(math.log(0.5)), says(math.log(0.1)))
    answer = (await score(pool, text, coterie={"explain": True})).json()
    (choice,) = answer["choices"]
    assert answer["object"] == "text_completion"
    assert answer["model"] == "mix/two"
    assert choice["text"] == "ab"
    assert choice["logprobs"]["tokens"] == ["a", "b"]
    assert choice["logprobs"]["token_logprobs"] == [None, pytest.approx(math.log(0.4))]
    assert choice["logprobs"]["top_logprobs"] == [None, {"b": pytest.approx(math.log(0.4))}]
    assert choice["logprobs"]["text_offset"] == [0, 1]
    assert answer["usage"] == {"prompt_tokens": 4, "completion_tokens": 0, "total_tokens": 4}
    told = answer["coterie"]
    assert told["panel"] == ["one", "two"]
    assert told["aggregator"] == "likelihood"
    assert told["usage"].keys() == {"one", "two"}
    assert told["aggregation"] == {"weights": {"one": 3, "two": 1}, "undecided": 1}
    assert told["reason"] == "The mixture of 3 x one, 1 x two."


async def test_a_batch_is_asked_of_each_expert_at_once(pool: Any, upstream: Any) -> None:
    before = len(upstream.bodies)
    text = script(says(-1.0, prompts=2))
    choices = (await score(pool, [text, text], "mix/one")).json()["choices"]
    assert [choice["index"] for choice in choices] == [0, 1]
    (body,) = upstream.bodies[before:]
    assert body["prompt"] == [text, text]
    assert (body["echo"], body["logprobs"], body["max_tokens"]) == (True, 5, 0)
    assert "coterie" not in body


async def test_clients_name_fewer_of_its_experts(pool: Any) -> None:
    text = script(says(-1.0), says(-2.0), says(-3.0))
    answer = await score(pool, text, "mix/three", coterie={"experts": ["three"]})
    assert answer.json()["choices"][0]["logprobs"]["token_logprobs"] == [None, -3.0]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"coterie": {"experts": 2}}, 400, "named, not of a number"),
        ({"coterie": {"experts": ["three"]}}, 400, "Expert three has no weight"),
        ({"coterie": {"tokens": True}}, 400, "score together"),
        ({"stream": True}, 400, "`stream` must be false. It tells how probable"),
        ({"n": 2}, 400, "`n` must be 1"),
        ({"echo": None}, 400, "`echo` must be true"),
        ({"suffix": "x"}, 400, "takes no suffix"),
        ({"model": "mix/once"}, 504, "this answer may cost 1 calls"),
    ],
)
async def test_what_it_cannot_do_is_told(
    pool: Any, body: dict[str, Any], status: int, message: str
) -> None:
    answer = await score(pool, script(says(-1.0), says(-1.0)), **body)
    assert message in answer.json()["error"]["message"]
    assert answer.status_code == status


async def test_chat_is_refused_with_what_it_can_do(pool: Any) -> None:
    answer = await pool.chat("hello", "mix/two")
    assert answer.status_code == 400
    assert "POST /v1/completions with `echo: true`" in answer.json()["error"]["message"]


async def test_other_tokens_name_both_experts(pool: Any) -> None:
    text = script(says(-1.0), says(-1.0, tokens=("ab", "c")))
    answer = await score(pool, text)
    assert answer.status_code == 400
    message = answer.json()["error"]["message"]
    assert "Experts one and two read the prompt as different tokens" in message
    assert "`weights`" in message


@pytest.mark.parametrize(
    ("two", "status"),
    [
        ("refuse broken", 502),
        ("refuse field", 400),
        ("drop", 502),
        ("say hello", 502),
        ("cut", 502),
    ],
)
async def test_where_all_are_required_one_that_fails_is_named(
    pool: Any, two: str, status: int
) -> None:
    answer = await score(pool, script(says(-1.0), two), "mix/strict")
    assert answer.status_code == status
    assert answer.json()["error"]["source"] == "two"


async def test_a_failure_ends_the_calls_of_the_others(pool: Any, upstream: Any) -> None:
    answer = await score(pool, script("silent others", "refuse field"), "mix/strict")
    assert answer.json()["error"]["source"] == "two"
    await upstream.saw("aborted others")


async def test_one_that_broke_once_is_asked_again(pool: Any, upstream: Any) -> None:
    """The second time, it answers, if not what it was asked."""
    answer = await score(pool, "one: drop-once scoring\ntwo: " + says(-1.0), "mix/strict")
    assert answer.json()["error"]["source"] == "one"
    assert answer.json()["error"]["code"] == "bad_output"
    assert upstream.asked["drop-once scoring"] == 2


async def test_the_budgets_time_ends_it(pool: Any, upstream: Any) -> None:
    answer = await score(pool, script("silent scoring", "silent scoring"), "mix/quick")
    assert answer.status_code == 504
    assert answer.json()["error"]["code"] == "budget_spent"
    await upstream.saw("aborted scoring")


@pytest.mark.parametrize("two", ["refuse broken", "refuse field", "drop", "say hello", "cut"])
async def test_one_that_fails_is_left_out_and_listed(pool: Any, two: str) -> None:
    body = {"coterie": {"explain": True}}
    answer = (await score(pool, script(says(-1.0), two, says(-3.0)), "mix/three", **body)).json()
    mean = math.log((math.exp(-1.0) + math.exp(-3.0)) / 2)
    (choice,) = answer["choices"]
    assert choice["logprobs"]["token_logprobs"] == [None, pytest.approx(mean)]
    told = answer["coterie"]["aggregation"]
    assert told["weights"] == {"one": 1, "three": 1}
    assert len(told["failed"]) == 1
    assert "two" in told["failed"][0]


async def test_where_all_fail_their_reasons_are_told(pool: Any) -> None:
    answer = await score(pool, script("refuse broken", "drop"))
    assert answer.status_code == 502
    message = answer.json()["error"]["message"]
    assert "one" in message
    assert "two" in message
    assert (await score(pool, script("refuse field", "refuse field"))).status_code == 400
