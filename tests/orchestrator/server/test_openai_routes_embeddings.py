"""What /v1/embeddings takes and gives: of the service's own encoder, and of experts that embed."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odd_upstream import JSON, OddUpstream, Sent, odd_upstream

KEY = "s3cr3t-0f-the-pool"
LONGEST = 300
FIXED = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40
)


@pytest.fixture(scope="module")
async def odd() -> AsyncIterator[OddUpstream]:
    async with odd_upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
async def gateway(odd: OddUpstream, serve: Any) -> Any:
    """The pool's own encoder reads 8 tokens at once; a letter is a token, its code the id."""
    return await serve(
        {"vectors": odd.spec("far", api_key=KEY, task="embed", about="tells texts apart")},
        server={"retries": 0, "max_embedding_inputs": 3, "max_embedding_tokens": LONGEST},
    )


async def _ask(gateway: Any, **body: Any) -> Any:
    asked = {"model": "coterie/embed", **body}
    return await gateway.http.post("/v1/embeddings", content=json.dumps(asked))


def _angle(length: int) -> list[float]:
    return [float(np.cos(np.float32(length))), float(np.sin(np.float32(length)))]


def _vectors(answer: Any) -> list[Any]:
    assert answer.status_code == 200, answer.text
    return [item["embedding"] for item in answer.json()["data"]]


@pytest.mark.parametrize(
    ("inputs", "lengths"),
    [
        ("abc", [3]),
        (["a", "bb"], [1, 2]),
        ([97, 98, 99], [3]),
        ([[97], [98, 98]], [1, 2]),
        ("  ", [2]),
    ],
)
async def test_texts_and_token_ids_are_embedded_and_counted(
    gateway: Any, inputs: Any, lengths: list[int]
) -> None:
    answer = await _ask(gateway, input=inputs)
    np.testing.assert_allclose(_vectors(answer), [_angle(n) for n in lengths], rtol=1e-5)
    tokens = sum(lengths)
    assert answer.json()["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
    assert [item["index"] for item in answer.json()["data"]] == list(range(len(lengths)))


@FIXED
@given(text=st.text("ab ", min_size=1, max_size=40))
async def test_a_text_and_its_tokens_have_one_vector_and_one_price(gateway: Any, text: str) -> None:
    said, spelled = [await _ask(gateway, input=i) for i in (text, [ord(letter) for letter in text])]
    assert _vectors(said) == _vectors(spelled)
    assert said.json()["usage"]["prompt_tokens"] == spelled.json()["usage"]["prompt_tokens"]
    assert said.json()["usage"]["prompt_tokens"] == len(text)


async def test_a_long_text_is_the_mean_of_its_windows(gateway: Any) -> None:
    answer = await _ask(gateway, input="x" * 11)
    summed = 5 * np.array(_angle(5)) + 6 * np.array(_angle(6))
    np.testing.assert_allclose(_vectors(answer)[0], summed / np.linalg.norm(summed), rtol=1e-5)
    assert answer.json()["usage"]["prompt_tokens"] == 11


@pytest.mark.parametrize(("cut", "length"), [(-1, 8), (3, 3), (None, 5), (8, 5)])
@pytest.mark.parametrize("inputs", ["abcde" * 4, [97] * 20])
async def test_what_is_cut_is_what_the_client_says(
    gateway: Any, inputs: Any, cut: int | None, length: int
) -> None:
    if cut in (None, 8):
        inputs = inputs[:5]
    answer = await _ask(gateway, input=inputs, truncate_prompt_tokens=cut)
    np.testing.assert_allclose(_vectors(answer), [_angle(length)], rtol=1e-5)
    assert answer.json()["usage"]["prompt_tokens"] == length


async def test_a_book_may_be_cut_and_is_not_read_to_its_end(gateway: Any) -> None:
    answer = await _ask(gateway, input="x" * 1_000_000, truncate_prompt_tokens=LONGEST)
    assert answer.json()["usage"]["prompt_tokens"] == LONGEST


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": None}, "input"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": [[97], []]}, "input[1]"),
        ({"input": [[]]}, "input[0]"),
        ({"input": ["a", 1]}, "input[1]"),
        ({"input": [1, "a"]}, "input[0]"),
        ({"input": [1.0]}, "input[0]"),
        ({"input": [True]}, "input[0]"),
        ({"input": {"text": "a"}}, "input"),
        ({"input": ["a"] * 4}, "input"),
        ({"input": [97, 256]}, "input[1]"),
        ({"input": [97, -1]}, "input[1]"),
        ({"input": [[97], [97, 999_999]]}, "input[1][1]"),
        ({"input": [2**70]}, "input[0]"),
        ({"input": "x" * (LONGEST + 1)}, "input"),
        ({"input": ["x", [120] * 2]}, "input[1]"),
        ({"input": [[120], [120] * (LONGEST + 1)]}, "input[1]"),
        ({"truncate_prompt_tokens": 0}, "truncate_prompt_tokens"),
        ({"truncate_prompt_tokens": LONGEST + 1}, "truncate_prompt_tokens"),
        ({"truncate_prompt_tokens": -2}, "truncate_prompt_tokens"),
        ({"truncation_side": "left"}, "truncation_side"),
        ({"truncation_side": "middle"}, "truncation_side"),
        ({"dimensions": 1}, "dimensions"),
        ({"encoding_format": "bytes"}, "encoding_format"),
        ({"user": 5}, "user"),
        ({"coterie": {"router": "one"}}, "coterie"),
        ({"coterie": {"tokens": True}}, "coterie"),
        ({"coterie": {"role": "x"}}, "coterie.role"),
    ],
)
async def test_what_cannot_be_embedded_is_refused_with_its_place(
    gateway: Any, change: dict[str, Any], param: str
) -> None:
    answer = await _ask(gateway, **{"input": "a", **change})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text


async def test_fields_of_no_effect_pass(gateway: Any) -> None:
    body = {"dimensions": 2, "user": "me", "encoding_format": None, "truncation_side": "right"}
    assert len(_vectors(await _ask(gateway, input="a", **body))) == 1


async def test_the_services_own_embeddings_are_traced(gateway: Any) -> None:
    answer = await _ask(gateway, input="abc", coterie={"class": "batch"})
    assert answer.headers["x-coterie-expert"] == "coterie/embed"
    metrics = (await gateway.http.get("/metrics")).text
    label = 'class="batch",expert="coterie/embed",model="coterie/embed",status="200"'
    assert f"coterie_requests_total{{{label}}} 1.0" in metrics


@pytest.mark.parametrize("model", ["coterie/embed", "vectors"])
@pytest.mark.parametrize("path", ["chat/completions", "completions"])
async def test_who_embeds_does_not_answer(gateway: Any, model: str, path: str) -> None:
    content = {"messages": [{"role": "user", "content": "x"}]} if "chat" in path else {"prompt": ""}
    answer = await gateway.http.post(f"/v1/{path}", json={"model": model, **content})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "model")
    assert "/v1/embeddings" in answer.json()["error"]["message"]


async def test_who_embeds_takes_no_seat_in_a_panel(gateway: Any) -> None:
    asked = {"aggregator": "vote", "experts": ["tiny", "vectors"]}
    answer = await gateway.chat("say hello", "pool/auto", coterie=asked)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "coterie.experts")


def _sent(vectors: list[Any], **more: Any) -> Sent:
    data = [{"object": "embedding", "index": n, "embedding": v} for n, v in enumerate(vectors)]
    tree = {"object": "list", "data": data, "usage": {"prompt_tokens": 4, "total_tokens": 4}}
    return Sent((json.dumps({**tree, **more}).encode(),), JSON)


@pytest.mark.parametrize("path", ["/v1/embeddings", "/e/vectors/v1/embeddings"])
async def test_an_expert_that_embeds_is_asked_as_the_client_says(
    gateway: Any, odd: OddUpstream, path: str
) -> None:
    odd.sent["far"] = _sent([[1.0, 2.0], [3.0, 4.0]])
    body = {"model": "vectors", "input": ["a", "b"], "truncate_prompt_tokens": -1, "user": None}
    answer = await gateway.http.post(path, json=body)
    assert _vectors(answer) == [[1.0, 2.0], [3.0, 4.0]]
    assert odd.bodies["far"][-1] == {
        "model": "far",
        "input": ["a", "b"],
        "truncate_prompt_tokens": -1,
    }
    assert answer.headers["x-coterie-expert"] == "vectors"


async def test_openais_client_reads_an_experts_vectors(gateway: Any, odd: OddUpstream) -> None:
    packed = base64.b64encode(np.array([1, 2], dtype="<f4").tobytes()).decode()
    odd.sent["far"] = _sent([packed])
    answer = await gateway.openai.embeddings.create(model="vectors", input="a")
    assert answer.data[0].embedding == [1.0, 2.0]


@pytest.mark.parametrize(
    "sent",
    [
        Sent((), JSON),
        Sent((b"<html>Welcome</html>",), "text/html"),
        Sent((b"[1, 2]",), JSON),
        Sent((b"{}",), JSON),
        Sent((json.dumps({"choices": []}).encode(),), JSON),
        _sent([]),
        _sent([[1.0], [2.0]]),
        _sent([["a"]]),
        Sent((), None, 302, {"location": "http://127.0.0.1:9/"}),
        Sent((json.dumps({"error": {"message": f"bad key {KEY}"}}).encode(),), JSON, 401),
    ],
)
async def test_what_is_no_embedding_is_a_502_that_names_the_expert(
    gateway: Any, odd: OddUpstream, sent: Sent, caplog: pytest.LogCaptureFixture
) -> None:
    odd.sent["far"] = sent
    with caplog.at_level(logging.ERROR):
        answer = await _ask(gateway, model="vectors", input="a")
    assert (answer.status_code, answer.json()["error"]["source"]) == (502, "vectors")
    assert KEY not in answer.text
    assert KEY not in caplog.text


async def test_an_experts_refusal_of_the_request_passes(gateway: Any, odd: OddUpstream) -> None:
    error = {"error": {"message": "no dimensions here", "param": "dimensions"}}
    odd.sent["far"] = Sent((json.dumps(error).encode(),), JSON, 400)
    answer = await _ask(gateway, model="vectors", input="a", dimensions=7)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "dimensions")


async def test_an_answering_expert_gives_no_embeddings(gateway: Any) -> None:
    answer = await _ask(gateway, model="tiny", input="a")
    assert (answer.status_code, answer.json()["error"]["param"]) == (404, "model")
    assert "vectors" in answer.json()["error"]["message"]


async def test_both_are_listed_as_embedding_models(gateway: Any) -> None:
    cards = (await gateway.http.get("/v1/models")).json()["data"]
    kinds = {card["id"]: card["metadata"]["type"] for card in cards}
    assert kinds["vectors"] == kinds["coterie/embed"] == "embedding"
    assert kinds["tiny"] == "openai"
