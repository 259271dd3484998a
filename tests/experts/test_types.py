"""The nouns that every package shares."""

from typing import Any

import pytest

from experts.types import Request, Usage


def _chat(*messages: Any) -> Request:
    return Request("r", "chat/completions", {"messages": list(messages)})


def _said(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


def test_usages_add_up() -> None:
    assert Usage(1, 2) + Usage(10, 20) == Usage(11, 22)


@pytest.mark.parametrize(
    ("body", "stream"), [({}, False), ({"stream": None}, False), ({"stream": True}, True)]
)
def test_a_request_streams_when_it_says_so(body: dict[str, Any], stream: bool) -> None:
    assert Request("r", "completions", body).stream is stream


def test_the_query_is_the_last_thing_the_user_said() -> None:
    request = _chat(_said("user", "one"), _said("user", "two"), _said("assistant", "three"))
    assert request.query == "two"


def test_the_query_joins_the_texts_of_a_message_in_parts() -> None:
    parts = [
        {"type": "text", "text": "what is"},
        {"type": "image_url", "image_url": {"url": "data:,"}},
        {"type": "text", "text": "this?"},
    ]
    assert _chat(_said("user", parts)).query == "what is\nthis?"


@pytest.mark.parametrize("content", [None, "", []])
def test_a_message_without_text_is_an_empty_query(content: Any) -> None:
    assert _chat(_said("user", content)).query == ""


def test_without_a_user_the_query_is_empty() -> None:
    assert _chat(_said("system", "be brief")).query == ""


@pytest.mark.parametrize(
    ("prompt", "query"),
    [("one", "one"), (["one", "two"], "one"), ([], ""), ([1, 2], ""), ([[1]], "")],
)
def test_the_query_of_a_completion_is_its_first_prompt(prompt: Any, query: str) -> None:
    assert Request("r", "completions", {"prompt": prompt}).query == query
