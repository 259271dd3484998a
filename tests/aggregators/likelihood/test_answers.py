"""What experts' servers send is read with care, and becomes OpenAI's choices."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aggregators.likelihood.answers import choices_of, mixed_texts, read
from experts.errors import BadOutput, RequestError


def choice(
    index: int = 0, tokens: str = "a b", last: float = -1.0, **changes: Any
) -> dict[str, Any]:
    words = tokens.split()
    told = {
        "tokens": words,
        "token_logprobs": [None, *[last] * (len(words) - 1)],
        "top_logprobs": [None, *[{word: last, "z": -2.0} for word in words[1:]]],
        **changes,
    }
    return {"index": index, "text": "".join(words), "logprobs": told, "finish_reason": "length"}


def sent(*choices: Any) -> bytes:
    return json.dumps({"choices": choices}).encode()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"no", "something else than a completion"),
        (sent({"index": 0}), "something else than a completion"),
        (sent(choice(last=float("nan"))), "something else than a completion"),
        (sent(), "scored 0 of 1 prompts"),
        (sent(choice(), choice()), "scored 2 of 1 prompts"),
        (sent({**choice(), "logprobs": None}), "gave no log-probabilities"),
        (sent(choice(token_logprobs=[None])), "other numbers of tokens"),
        (sent(choice(top_logprobs=[None])), "other numbers of tokens"),
    ],
)
def test_what_cannot_be_read_names_the_expert(raw: bytes, message: str) -> None:
    with pytest.raises(BadOutput, match=f"Expert one .*{message}") as caught:
        read("one", raw, 1)
    assert caught.value.expert == "one"


def test_choices_are_put_in_the_order_of_the_prompts() -> None:
    texts = read("one", sent(choice(1, "c d"), choice(0)), 2)
    assert [one.text for one in texts] == ["ab", "cd"]


@pytest.mark.parametrize("tops", [None, [None, None], [None, {}]])
def test_a_server_without_alternatives_still_names_the_token(tops: Any) -> None:
    (text,) = read("one", sent(choice(top_logprobs=tops)), 1)
    assert text.scored.alternatives == ({}, {"b": -1.0})


def test_choices_have_openais_shape() -> None:
    texts = {"one": read("one", sent(choice()), 1), "two": read("two", sent(choice()), 1)}
    (found,) = choices_of(texts, mixed_texts(texts, (1, 1), 0), 0)
    assert found["logprobs"] == {
        "tokens": ["a", "b"],
        "token_logprobs": [None, pytest.approx(-1)],
        "top_logprobs": [None, {"b": pytest.approx(-1)}],
        "text_offset": [0, 1],
    }
    assert (found["index"], found["text"], found["finish_reason"]) == (0, "ab", "length")
    (found,) = choices_of(texts, mixed_texts(texts, (1, 1), 0), 1)
    assert list(found["logprobs"]["top_logprobs"][1]) == ["b"]
    (found,) = choices_of(texts, mixed_texts(texts, (1, 1), 0), 5)
    assert list(found["logprobs"]["top_logprobs"][1]) == ["b", "z"]


def test_the_text_ends_with_the_mixtures_own_token() -> None:
    third = {"top_logprobs": [None, {"b": -1.0, "z": -1.1}]}
    other = {"top_logprobs": [None, {"c": -1.0, "z": -1.1}]}
    texts = {
        "one": read("one", sent(choice(tokens="a b", **third)), 1),
        "two": read("two", sent(choice(tokens="a c", **other)), 1),
    }
    (found,) = choices_of(texts, mixed_texts(texts, (1, 1), 1), 1)
    assert (found["text"], found["finish_reason"]) == ("az", "length")
    stopped = sent({**choice(tokens="a b"), "text": "a", "finish_reason": "stop"})
    texts = {
        "one": read("one", sent(choice(tokens="a c", last=-3)), 1),
        "two": read("two", stopped, 1),
    }
    (found,) = choices_of(texts, mixed_texts(texts, (1, 1), 1), 1)
    assert (found["text"], found["finish_reason"]) == ("a", "stop")


def test_experts_that_read_otherwise_are_both_named() -> None:
    texts = {
        name: read(name, sent(choice(tokens=tokens)), 1)
        for name, tokens in (("one", "a b"), ("two", "a b"), ("three", "ab c"))
    }
    with pytest.raises(RequestError, match="Experts one and three read the prompt as") as caught:
        mixed_texts(texts, (1, 1, 1), 0)
    assert caught.value.param == "model"
