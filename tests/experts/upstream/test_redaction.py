"""Nothing that may be a key stays in a text."""

import base64
import json
import string
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from experts.upstream.redaction import LONGEST, MARK, WINDOW, redacted

LETTERS = string.ascii_letters + string.digits + "-_.+/="
KEYS = st.text(LETTERS, min_size=WINDOW, max_size=60)
WORDS = st.text(st.sampled_from(string.printable), max_size=40)


@example("k" * 8, "k" * 7, "k" * 7, 0, 60)
@given(KEYS, WORDS, WORDS, st.integers(0, 60), st.integers(0, 60))
def test_no_part_of_a_known_key_stays(
    key: str, before: str, after: str, begin: int, end: int
) -> None:
    part = key[begin:end]
    assume(not set(_parts(key)) & set(_parts(MARK)))
    found = redacted(f"{before}{part}{after}", (key,))
    assert not any(piece in found for piece in _parts(key))


@given(KEYS | st.text(min_size=WINDOW, max_size=40), st.text("ab:", max_size=4), WORDS)
def test_no_writing_of_a_known_key_stays(key: str, user: str, before: str) -> None:
    key = " ".join(key.encode("utf-8", "replace").decode().split())
    assume(len(key) >= WINDOW)
    basic = base64.b64encode(f"{user}:{key}".encode()).decode()
    known = len(f"{user}:".encode()) * 8
    inner = basic[-(-known // 6) : (known + 8 * len(key.encode())) // 6]
    for written, told in [
        *((one, one) for one in (quote(key), quote(key, safe=""), quote_plus(key))),
        (json.dumps(key)[1:-1],) * 2,
        (json.dumps(key, ensure_ascii=False)[1:-1],) * 2,
        (json.dumps(key)[1:-1].replace("/", "\\/"),) * 2,
        (basic, inner),
    ]:
        if " " not in written and not set(_parts(told)) & set(_parts(MARK)):
            assert told not in redacted(f"{before} {written} x", (key,))


def _parts(key: str) -> list[str]:
    return [key[at : at + WINDOW] for at in range(len(key) - WINDOW + 1)]


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: sk-proj-abc***xyz.",
        "Incorrect API key provided: abcd****wxyz.",
        "Incorrect API key provided: sk-abcd...wxyz.",
        "authorization: Bearer abcd-wxyz",
        "no such key hf_abcdefghijwxyz",
        "project org-abcdefghijklmnopwxyz has no credit",
        "GET https://user:abcdwxyz@host/v1",
        "GET https://host/v1?key=abcdwxyz",
        "api_key='abcdwxyz' is wrong",
        "AIzaSyabcdefghwxyz",
        "eyJhbGciOiJI.abcd.wxyz",
        "authorization: Basic YWJjabcdwxyz0123==",
        "The AWS key AKIAabcdEFGHIJKLwxyz is not known",
        "Organization org-abcd1wxyz may not",
    ],
)
def test_what_looks_like_a_key_does_not_stay(text: str) -> None:
    found = redacted(text)
    assert MARK in found
    assert "abcd" not in found
    assert "wxyz" not in found


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens must be at least 1, got -5.",
        "This model's maximum context length is 1024 tokens. However, your prompt has 1500 tokens.",
        "task-specific: `response_format` is not supported; ask-me is no key.",
    ],
)
def test_what_a_client_needs_stays(text: str) -> None:
    assert redacted(text, ("abc", "none-of-this")) == text


def test_a_text_is_one_line_of_bounded_length() -> None:
    assert redacted("one\n two\ttwo") == "one two two"
    assert len(redacted("x " * LONGEST)) == LONGEST
    assert redacted("half \ud800") == "half ?"
