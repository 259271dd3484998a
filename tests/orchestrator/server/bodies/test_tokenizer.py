"""What an expert's own tokenizer is asked is checked before its engine is loaded for it."""

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("path", "body", "param", "words"),
    [
        ("tokenize", {}, None, "`prompt` or `messages` is required."),
        ("tokenize", {"prompt": None}, None, "`prompt` or `messages` is required."),
        ("tokenize", {"prompt": 5}, "prompt", "prompt: must be"),
        ("tokenize", {"messages": [{"role": 1}]}, "messages[0].role", "must be a text"),
        ("detokenize", {}, "tokens", "this key is required"),
        ("detokenize", {"tokens": [1, -1]}, "tokens[1]", "greater than or equal to 0"),
    ],
)
async def test_a_wrong_body_is_refused_by_name(
    gateway: Any, path: str, body: Any, param: str | None, words: str
) -> None:
    answer = await gateway.http.post(f"/e/tiny/{path}", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, param)
    assert words in error["message"]


async def test_what_is_the_engines_business_passes(gateway: Any) -> None:
    body = {"messages": [{"role": "user", "content": "x"}], "new_in_vllm": 1}
    assert (await gateway.http.post("/e/tiny/tokenize", json=body)).status_code == 200
