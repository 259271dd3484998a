"""Usage is found in bytes that pass through, and nothing else is taken for it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.types import Usage
from experts.upstream.answers import usage_in


@given(st.text(), st.integers(0, 10**9), st.integers(0, 10**9))
def test_it_is_found_behind_any_text(text: str, prompt: int, completion: int) -> None:
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "details": {"cached": 1}}
    body = {"choices": [{"text": text + '"usage": {"prompt_tokens": 1}'}], "usage": usage}
    assert usage_in(json.dumps(body).encode()) == Usage(prompt, completion)


@pytest.mark.parametrize(
    "usage", [None, 3, [], {}, {"prompt_tokens": "5"}, {"prompt_tokens": True}, "x" * 9000]
)
def test_odd_usage_is_not_found(usage: Any) -> None:
    assert usage_in(json.dumps({"usage": usage}).encode()) is None


@given(st.binary())
def test_any_bytes_do_no_harm(piece: bytes) -> None:
    usage_in(b'"usage":' + piece)
