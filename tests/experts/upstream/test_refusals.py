"""Whose fault a refusal is, and what of it may be told."""

import json
import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.errors import ExpertError, ExpertMisconfigured, ExpertRefused
from experts.upstream.refusals import Asked, refused_by, retry_after_s, told_error

KEY = "s3cr3t-0f-the-pool"
ASKED = Asked("law", (KEY,))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(KEY),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "code", "type", "param", "detail", "status"]),
            inner,
        )
    ),
)
BODIES = JSON.map(lambda tree: json.dumps(tree).encode()) | st.binary(max_size=40)


def _body(message: str, **more: Any) -> bytes:
    return json.dumps({"error": {"message": message, **more}}).encode()


@given(st.integers(300, 599), BODIES)
def test_any_refusal_is_the_experts_error_without_its_key(status: int, body: bytes) -> None:
    error = refused_by(ASKED, status, body)
    assert isinstance(error, ExpertError)
    assert error.expert == "law"
    assert KEY not in str(error)
    assert KEY not in json.dumps(getattr(error, "body", {}))


@pytest.mark.parametrize("status", [302, 401, 402, 403, 404, 405, 407, 408, 410, 451])
def test_what_is_about_us_is_logged_and_not_told(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "coterie.experts"):
        error = refused_by(ASKED, status, _body(f"Wrong key {KEY[:10]}, ask your admin"))
    assert isinstance(error, ExpertMisconfigured)
    assert f"HTTP {status}" in str(error)
    assert "admin" not in str(error)
    assert "ask your admin" in caplog.text
    assert KEY[:10] not in caplog.text


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "invalid_api_key"), (400, "model_not_found"), (429, "insufficient_quota")],
)
def test_a_code_may_tell_that_it_is_about_us(status: int, code: str) -> None:
    assert isinstance(refused_by(ASKED, status, _body("no", code=code)), ExpertMisconfigured)


OF_US = "Incorrect API key provided. Organization org-Zx12ab at https://far.test, /srv/far/x.py"


@pytest.mark.parametrize("status", [500, 502, 503, 529])
def test_a_failing_server_is_told_in_our_words(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    sent = _body(f"{OF_US} {KEY}", code="invalid_api_key", param="key", type="far_error")
    with caplog.at_level(logging.ERROR, "coterie.experts"):
        error = refused_by(ASKED, status, sent, {"retry-after": "7"})
    assert isinstance(error, ExpertRefused)
    assert (str(error), error.body) == ("The server of expert law failed.", {})
    assert (error.status, error.retryable, error.retry_after_s) == (status, True, 7)
    assert "Incorrect API key" in caplog.text
    assert KEY not in caplog.text
    assert "org-Zx12ab" not in caplog.text


@given(JSON, st.integers(500, 599) | st.none())
def test_an_error_inside_an_answer_is_told_in_our_words(tree: Any, status: int | None) -> None:
    error = told_error(ASKED, {"message": OF_US, "type": tree, "code": status})
    assert (str(error), error.code) == ("The server of expert law failed.", "expert_refused")


@pytest.mark.parametrize("status", [400, 413, 422, 429])
def test_what_is_about_the_request_passes(status: int) -> None:
    error = refused_by(ASKED, status, _body(f"bad n for {KEY}", param="n", code="odd"))
    assert isinstance(error, ExpertRefused)
    assert error.message == "bad n for [redacted]"
    assert (error.status, error.body["param"], error.body["code"]) == (status, "n", "odd")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "law answered with status 400"),
        (b"<html>nginx</html>", "law answered with status 400"),
        (b"too long", "too long"),
        (b'"too long"', "too long"),
        (b'{"message": "too long"}', "too long"),
        (b'{"error": "too long"}', "too long"),
        (b'{"detail": [{"loc": ["body", "n"], "msg": "too long"}]}', "too long"),
    ],
)
def test_the_words_are_found_in_any_shape(body: bytes, words: str) -> None:
    assert words in refused_by(ASKED, 400, body).message


def test_packed_words_are_not_read() -> None:
    error = refused_by(ASKED, 400, b"\x1f\x8b...", {"content-encoding": "gzip"})
    assert error.message == "Expert law answered with status 400."


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "9000"}, 120),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({}, None),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


def test_a_date_to_wait_for() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 50 < (retry_after_s({"retry-after": soon}) or 0) <= 60
    later = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)
    assert retry_after_s({"retry-after": later}) == 120


@given(st.text(max_size=40))
def test_any_header_is_seconds_or_nothing(value: str) -> None:
    assert 0 <= (retry_after_s({"retry-after": value}) or 0) <= 120
