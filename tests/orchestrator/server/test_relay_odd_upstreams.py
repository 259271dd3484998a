"""What one expert's server sends in place of an answer never passes for one, streamed or whole."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odd_upstream import DONE, JSON, SSE, OddUpstream, Sent, event, good, odd_upstream, said, whole
from openai import APIError

from experts.sse import DONE as DONE_DATA
from experts.sse import EventParser

KEY = "s3cr3t-0f-the-pool"
QUOTED = f"Incorrect API key provided: {KEY[:9]}***. Bearer {KEY}, sk-abcdefgh."
OF_THE_REQUEST = f"n is too large for {KEY[:9]}***. Bearer {KEY}, sk-abcdefgh."
FIXED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture(scope="module")
async def odd() -> AsyncIterator[OddUpstream]:
    async with odd_upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
async def gateway(odd: OddUpstream, serve: Any) -> Any:
    # No comments: on a machine that is busy they would stand between the pieces.
    server = {"retries": 0, "comment_after_s": None}
    return await serve({"odd": odd.spec("odd", api_key=KEY)}, server=server)


def _refusal(message: str, **more: Any) -> tuple[bytes, ...]:
    return (json.dumps({"error": {"message": message, **more}}).encode(),)


NO_ANSWERS = [
    Sent((), JSON),
    Sent((), SSE),
    Sent((), None),
    Sent((b"<html>Welcome</html>",), "text/html"),
    Sent((b"<html>Welcome</html>",), SSE),
    Sent((b"[1, 2]",), JSON),
    Sent((b"null",), JSON),
    Sent(_refusal("it broke"), JSON),
    Sent(_refusal("it broke"), SSE),
    Sent((event({"error": {"message": "it broke"}}), DONE)),
    Sent((b"data: null\n\n", DONE)),
    Sent((b"data: not JSON\n\n", DONE)),
    Sent((b": nothing but comments\n\n",)),
    Sent((gzip.compress(b"{}", mtime=0),), JSON, headers={"content-encoding": "gzip"}),
    Sent((), None, 204),
    Sent((), None, 302, {"location": "http://127.0.0.1:9/"}),
    Sent((b"<html>",), "text/html", 307, {"location": "http://127.0.0.1:9/"}),
    Sent((b"<html>Bad gateway</html>",), "text/html", 502),
]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("sent", NO_ANSWERS, ids=lambda s: f"{s.status} {s.kind} {s.pieces[:1]}")
async def test_what_is_no_answer_is_a_bad_gateway_naming_the_expert(
    gateway: Any, odd: OddUpstream, sent: Sent, stream: bool
) -> None:
    odd.sent["odd"] = sent
    answer = await gateway.chat("x", "odd", stream=stream)
    assert answer.status_code == 502, answer.text
    error = answer.json()["error"]
    assert error["source"] == "odd"
    assert "odd" in error["message"]
    assert "it broke" not in answer.text
    assert "html" not in error["message"].replace("text/html", "")


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
@given(
    kind=st.sampled_from([JSON, SSE, "text/html", None]),
    status=st.sampled_from([200, 201, 302, 400, 404, 429, 500]),
    body=st.binary(max_size=30),
    stream=st.booleans(),
)
async def test_any_bytes_are_an_error_in_openais_shape(
    gateway: Any, odd: OddUpstream, kind: str | None, status: int, body: bytes, stream: bool
) -> None:
    odd.sent["odd"] = Sent((body,), kind, status)
    answer = await gateway.chat("x", "odd", stream=stream)
    assert answer.status_code in (400, 429, 502, 503)
    assert answer.json()["error"]["source"] == "odd"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("status", [401, 402, 403, 404, 408])
async def test_a_refusal_of_ourselves_is_not_the_clients(
    gateway: Any, odd: OddUpstream, status: int, stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    odd.sent["odd"] = Sent(_refusal(QUOTED), JSON, status)
    with caplog.at_level(logging.ERROR, "coterie.experts"):
        answer = await gateway.chat("x", "odd", stream=stream)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["source"]) == (
        502,
        "expert_misconfigured",
        "odd",
    )
    assert "Incorrect" not in answer.text
    assert "Incorrect API key provided" in caplog.text
    _no_key(answer.text + caplog.text)


@pytest.mark.parametrize("status", [400, 413, 422, 429])
async def test_a_refusal_of_the_request_passes_without_keys(
    gateway: Any, odd: OddUpstream, status: int
) -> None:
    odd.sent["odd"] = Sent(_refusal(OF_THE_REQUEST, param="n"), JSON, status)
    answer = await gateway.chat("x", "odd")
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, "n")
    assert "n is too large" in answer.text
    _no_key(answer.text)


def _no_key(text: str) -> None:
    assert KEY[:9] not in text
    assert "sk-abc" not in text


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("told", "seconds"), [("7", "7"), ("9000", "120"), ("0", "1")])
async def test_the_servers_own_wait_passes(
    gateway: Any, odd: OddUpstream, status: int, told: str, seconds: str
) -> None:
    odd.sent["odd"] = Sent(_refusal("slow down"), JSON, status, {"retry-after": told})
    answer = await gateway.chat("x", "odd")
    assert (answer.status_code, answer.headers["retry-after"]) == (status, seconds)


@pytest.mark.parametrize(
    ("statuses", "status", "waits", "seconds"),
    [
        ((503, 503), 503, ("9000", "300"), "120"),
        ((429, 503), 503, ("90", "30"), "30"),
        ((429, 429), 429, ("90", "30"), "30"),
    ],
)
async def test_a_panel_without_room_says_when_to_try_again(
    serve: Any,
    odd: OddUpstream,
    statuses: tuple[int, int],
    status: int,
    waits: tuple[str, str],
    seconds: str,
) -> None:
    names = ("odd", "even")
    panel = {"router": "one", "aggregator": {"type": "vote"}}
    gateway = await serve(
        {name: odd.spec(name) for name in names},
        server={"retries": 0},
        compositions={"pool/vote": panel},
    )
    for name, one, wait in zip(names, statuses, waits, strict=True):
        odd.sent[name] = Sent(_refusal("slow down"), JSON, one, {"retry-after": wait})
    answer = await gateway.chat("x", "pool/vote", coterie={"experts": list(names)})
    assert (answer.status_code, answer.headers["retry-after"]) == (status, seconds)


async def test_an_error_in_mid_stream_leaves_in_our_shape_and_is_counted(
    serve: Any, odd: OddUpstream
) -> None:
    gateway = await serve({"odd": odd.spec("odd", api_key=KEY)})
    error = {"error": {"message": f"bad n for {KEY} sk-abcdefgh", "code": 400}}
    odd.sent["odd"] = Sent((event(said("7")) + event(said("8")) + event(error), DONE))
    answer = await gateway.chat("x", "odd", stream=True)
    events = EventParser().feed(answer.content)
    assert [json.loads(one)["choices"][0]["delta"]["content"] for one in events[:2]] == ["7", "8"]
    told = json.loads(events[2])["error"]
    assert (told["source"], told["code"]) == ("odd", "invalid_request")
    assert events[3:] == [DONE_DATA]
    _no_key(answer.text)
    await gateway.settled()
    assert 'status="400"} 1.0' in gateway.context.metrics.text().decode()


@pytest.mark.parametrize(
    "bad", [b"{nope", b'{"choices": {"a": 1}}', b'{"choices": [], "usage": "x"}', b"[NaN]"]
)
async def test_an_odd_event_in_mid_stream_is_its_experts_failure(
    serve: Any, odd: OddUpstream, bad: bytes
) -> None:
    gateway = await serve({"odd": odd.spec("odd")})
    odd.sent["odd"] = Sent((event(said("7")), b"data: " + bad + b"\n\n", *good("8").pieces))
    stream = await gateway.openai.chat.completions.create(
        model="odd", messages=[{"role": "user", "content": "x"}], stream=True
    )
    assert (await anext(stream)).choices[0].delta.content == "7"
    with pytest.raises(APIError, match="Expert odd sent what is not OpenAI's format"):
        await anext(stream)
    await gateway.settled()
    assert 'status="502"} 1.0' in gateway.context.metrics.text().decode()


async def test_what_follows_the_end_is_not_passed_on(gateway: Any, odd: OddUpstream) -> None:
    whole_stream = good("7").pieces
    odd.sent["odd"] = Sent((*whole_stream, b"data: {nope\n\n", *good("8").pieces))
    answer = await gateway.chat("x", "odd", stream=True)
    assert answer.content == b"".join(whole_stream)


async def test_half_an_event_is_not_passed_on(gateway: Any, odd: OddUpstream) -> None:
    odd.sent["odd"] = Sent((event(said("7")), event(said("8"))[:20]))
    stream = await gateway.openai.chat.completions.create(
        model="odd", messages=[{"role": "user", "content": "x"}], stream=True
    )
    assert (await anext(stream)).choices[0].delta.content == "7"
    with pytest.raises(APIError, match="broke off"):
        await anext(stream)


@pytest.mark.parametrize(
    "pieces",
    [
        good("7\u2028\x85").pieces,
        tuple(bytes([byte]) for piece in good("w\u00f6rd").pieces for byte in piece),
        (b": hi\n\n", *good("7").pieces),
        tuple(piece.replace(b"\n", b"\r\n") for piece in good("7").pieces),
        (b"".join(good("7").pieces),),
        (event({**said("error"), "error": None}), *good('"error": 7').pieces),
    ],
    ids=["separators", "bytes", "comment", "crlf", "at once", "null error"],
)
async def test_a_good_stream_passes_byte_for_byte(
    gateway: Any, odd: OddUpstream, pieces: tuple[bytes, ...]
) -> None:
    odd.sent["odd"] = Sent(pieces)
    assert (await gateway.chat("x", "odd", stream=True)).content == b"".join(pieces)


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b""])
async def test_a_finished_stream_without_done_gets_it(
    gateway: Any, odd: OddUpstream, end: bytes
) -> None:
    sent = event(said("7", "stop")).strip() + end
    odd.sent["odd"] = Sent((sent,))
    answer = await gateway.chat("x", "odd", stream=True)
    assert answer.content.startswith(sent)
    assert EventParser().feed(answer.content) == [sent[6:].strip(), DONE_DATA]


async def test_tokenizing_tells_no_key(gateway: Any, odd: OddUpstream) -> None:
    def refuse(body: dict[str, Any]) -> Sent:
        words = QUOTED if body["prompt"] == "401" else OF_THE_REQUEST
        return Sent(_refusal(words), JSON, int(body["prompt"]))

    odd.sent["odd"] = refuse
    ask = gateway.http.post
    ours = await ask("/e/odd/tokenize", json={"prompt": "401"})
    assert (ours.status_code, ours.json()["error"]["code"]) == (502, "expert_misconfigured")
    theirs = await ask("/e/odd/tokenize", json={"prompt": "400"})
    assert theirs.status_code == 400
    assert "n is too large" in theirs.text
    _no_key(ours.text + theirs.text)


async def test_a_content_in_parts_passes(gateway: Any, odd: OddUpstream) -> None:
    odd.sent["odd"] = whole([{"type": "text", "text": "7"}])
    answer = await gateway.chat("x", "odd")
    assert answer.json()["choices"][0]["message"]["content"][0]["text"] == "7"
