"""The gateway over HTTP: what OpenAI's clients and operators send and get."""

import base64
import json
from typing import Any

import numpy as np
import openai
import pytest

HI = [{"role": "user", "content": "stream 3"}]


@pytest.mark.parametrize("path", ["chat/completions", "completions"])
async def test_the_bytes_of_a_stream_pass_untouched(gateway: Any, upstream: Any, path: str) -> None:
    asked = {"messages": HI} if "chat" in path else {"prompt": "stream 3"}
    body = {"model": "tiny", "stream": True, "stream_options": {"include_usage": True}, **asked}
    direct = await gateway.http.post(f"{upstream.base_url}/{path}", json=body)
    through = await gateway.http.post(f"/v1/{path}", json=body)
    assert through.content == direct.content
    assert through.headers["content-type"].startswith("text/event-stream")


async def test_a_whole_answer_keeps_every_field_and_gains_ours(gateway: Any, upstream: Any) -> None:
    body = {"model": "tiny", "messages": HI}
    direct = await gateway.http.post(f"{upstream.base_url}/chat/completions", json=body)
    through = (await gateway.http.post("/v1/chat/completions", json=body)).json()
    extension = through.pop("coterie")
    assert through == direct.json()
    assert extension["expert"] == "tiny"
    assert extension["attempts"] == 1


async def test_openais_client_reads_a_whole_answer(gateway: Any) -> None:
    answer = await gateway.openai.chat.completions.create(model="pool/auto", messages=HI)
    assert answer.choices[0].message.content == "wörd"
    assert answer.model_extra["coterie"]["router"] == "one"


async def test_openais_client_reads_a_stream(gateway: Any) -> None:
    stream = await gateway.openai.chat.completions.create(
        model="pool/auto", messages=HI, stream=True
    )
    texts = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "".join(texts) == "wörd0 wörd1 wörd2 "


async def test_openais_client_reads_a_stream_with_an_explanation(gateway: Any) -> None:
    stream = await gateway.openai.chat.completions.create(
        model="pool/auto", messages=HI, stream=True, extra_body={"coterie": {"explain": True}}
    )
    chunks = [chunk async for chunk in stream]
    explanation = chunks[0].model_extra["coterie"]
    assert chunks[0].choices == []
    assert explanation["scores"] == {"tiny": 1.0}
    assert "configured to answer everything" in explanation["reason"]
    assert chunks[1].choices[0].delta.content == "wörd0 "


async def test_the_explanation_of_a_completion_has_the_type_of_its_stream(gateway: Any) -> None:
    body = {"model": "tiny", "prompt": "x", "stream": True, "coterie": {"explain": True}}
    answer = await gateway.http.post("/v1/completions", json=body)
    first = json.loads(answer.text.partition("\n\n")[0].removeprefix("data: "))
    assert first["object"] == "text_completion"


async def test_a_whole_answer_explains_itself_when_asked(gateway: Any) -> None:
    answer = (await gateway.chat("x", "pool/auto", coterie={"explain": True})).json()
    assert answer["coterie"]["scores"] == {"tiny": 1.0}
    assert (await gateway.chat("x", "pool/auto")).json()["coterie"].get("scores") is None


async def test_the_extension_does_not_reach_the_expert(gateway: Any, upstream: Any) -> None:
    await gateway.chat("x", coterie={"explain": True}, temperature=0.5, seed=3)
    body = upstream.bodies[-1]
    assert "coterie" not in body
    assert (body["temperature"], body["seed"], body["model"]) == (0.5, 3, "tiny-model")


@pytest.mark.parametrize("stream", [True, False])
async def test_headers_tell_who_answered_and_what_it_took(gateway: Any, stream: bool) -> None:
    headers = (await gateway.chat("x", "pool/auto", stream=stream)).headers
    assert headers["x-coterie-model"] == "pool/auto"
    assert headers["x-coterie-expert"] == "tiny"
    assert headers["x-coterie-router"] == "one"
    for name in ("route", "queue", "load"):
        assert float(headers[f"x-coterie-{name}-ms"]) >= 0


@pytest.mark.parametrize("model", ["tiny", "no-such-model"])
async def test_the_request_id_is_echoed(gateway: Any, model: str) -> None:
    body = {"model": model, "messages": HI}
    given = {"x-request-id": "mine-7"}
    answer = await gateway.http.post("/v1/chat/completions", json=body, headers=given)
    assert answer.headers["x-request-id"] == "mine-7"


async def test_without_a_request_id_each_request_gets_its_own(gateway: Any) -> None:
    ids = {(await gateway.chat("x")).headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3


async def test_a_request_id_beyond_ascii_does_no_harm(gateway: Any) -> None:
    headers = [(b"x-request-id", b"caf\xe9")]
    body = {"model": "tiny", "messages": HI}
    answer = await gateway.http.post("/v1/chat/completions", json=body, headers=headers)
    assert answer.status_code == 200


async def test_an_answer_that_a_remote_server_would_compress_arrives_readable(
    gateway: Any,
) -> None:
    answer = await gateway.chat("packed")
    assert answer.json()["choices"][0]["message"]["content"] == "wörd"


async def test_an_experts_own_path_needs_no_model(gateway: Any) -> None:
    answer = await gateway.http.post("/e/tiny/v1/completions", json={"prompt": [1, 2, 3]})
    assert answer.status_code == 200
    assert answer.headers["x-coterie-expert"] == "tiny"


async def test_tokenize_reaches_the_expert_under_its_own_name(gateway: Any) -> None:
    answer = await gateway.http.post("/e/tiny/tokenize", json={"prompt": "x"})
    assert answer.json() == {"tokens": [1, 2, 3], "count": 1500, "model": "tiny-model"}


async def test_what_an_expert_does_not_offer_is_said(gateway: Any) -> None:
    answer = await gateway.http.get("/e/tiny/tokenizer_info")
    assert answer.status_code == 400
    assert "does not offer /tokenizer_info" in answer.json()["error"]["message"]


async def test_what_an_engine_refuses_there_has_openais_shape(serve: Any) -> None:
    hosted = {"type": "vllm", "model": "org/hosted", "memory_gb": 1}
    gateway = await serve({"hosted": hosted}, slots={"canary_tokens": 0})
    answer = await gateway.http.post("/e/hosted/detokenize", json={"tokens": [0]})
    error = answer.json()["error"]
    assert (answer.status_code, error["message"]) == (400, "no such token")
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_request")


async def test_every_model_is_listed(gateway: Any) -> None:
    models = [model async for model in gateway.openai.models.list()]
    assert [model.id for model in models] == ["pool/auto", "tiny", "coterie/embed"]
    assert {(model.object, model.owned_by) for model in models} == {("model", "coterie")}


@pytest.mark.parametrize("name", ["tiny", "pool/auto", "coterie/embed"])
async def test_a_model_is_shown(gateway: Any, name: str) -> None:
    assert (await gateway.openai.models.retrieve(name)).id == name


async def test_a_model_that_does_not_exist_is_not_shown(gateway: Any) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        await gateway.openai.models.retrieve("other")
    assert caught.value.code == "model_not_found"


async def test_an_expert_lists_only_itself(gateway: Any) -> None:
    answer = await gateway.http.get("/e/tiny/v1/models")
    assert [card["id"] for card in answer.json()["data"]] == ["tiny"]


@pytest.mark.parametrize("encoding", ["float", "base64"])
async def test_embeddings_come_as_asked(gateway: Any, encoding: str) -> None:
    answer = await gateway.http.post(
        "/v1/embeddings",
        json={"model": "coterie/embed", "input": ["a", "bb"], "encoding_format": encoding},
    )
    vectors = [item["embedding"] for item in answer.json()["data"]]
    if encoding == "base64":
        vectors = [np.frombuffer(base64.b64decode(vector), dtype="<f4") for vector in vectors]
    expected = [[np.cos(1), np.sin(1)], [np.cos(2), np.sin(2)]]
    np.testing.assert_allclose(vectors, expected, rtol=1e-6)


async def test_embeddings_count_the_encoders_tokens(gateway: Any) -> None:
    body = {"model": "coterie/embed", "input": ["one word", "a"]}
    answer = await gateway.http.post("/v1/embeddings", json=body)
    assert answer.json()["usage"] == {"prompt_tokens": 9, "total_tokens": 9}


async def test_openais_client_reads_embeddings(gateway: Any) -> None:
    answer = await gateway.openai.embeddings.create(model="coterie/embed", input="a")
    np.testing.assert_allclose(answer.data[0].embedding, [np.cos(1), np.sin(1)], rtol=1e-6)


@pytest.mark.parametrize("path", ["/health", "/health/liveness", "/health/readiness", "/version"])
async def test_operators_questions_are_answered(gateway: Any, path: str) -> None:
    assert (await gateway.http.get(path)).status_code == 200


async def test_the_openapi_document_names_the_endpoints(gateway: Any) -> None:
    paths = (await gateway.http.get("/openapi.json")).json()["paths"]
    assert "/v1/chat/completions" in paths
    assert "/e/{expert}/v1/completions" in paths


async def test_a_gateway_whose_slot_is_down_is_not_ready(serve: Any) -> None:
    gateway = await serve({"hosted": {"type": "vllm", "model": "org/h"}}, slots={"preload": False})
    slot = gateway.slots[0]
    await slot.saw("start")
    slot.may_start.clear()
    slot.die()
    await slot.saw("start")
    answer = await gateway.http.get("/health/readiness")
    slot.may_start.set()
    assert (answer.status_code, answer.json()["slots_down"]) == (503, ["slot-0"])


async def test_a_gateway_that_has_another_slot_is_ready_and_says_which_one_is_down(
    serve: Any,
) -> None:
    hosted = {"hosted": {"type": "vllm", "model": "org/h"}}
    gateway = await serve(hosted, slots={"preload": False, "count": 2, "max_count": 3})
    slot = gateway.slots[1]
    await slot.saw("start")
    slot.may_start.clear()
    slot.die()
    await slot.saw("start")
    answer = await gateway.http.get("/health/readiness")
    slot.may_start.set()
    assert (answer.status_code, answer.json()["slots_down"]) == (200, ["slot-1"])


async def test_an_expert_that_failed_is_named_with_its_reason_and_stops_nobody(serve: Any) -> None:
    slots = {"preload": False, "canary_tokens": 0, "retry_load_s": 60}
    gateway = await serve({"hosted": {"type": "vllm", "model": "org/h"}}, slots=slots)
    gateway.slots[0].load_errors["hosted"] = [RuntimeError("no such dtype")]
    assert (await gateway.chat("x", "hosted")).status_code == 503
    cards = (await gateway.http.get("/v1/models")).json()["data"]
    failed = {card["id"]: card["metadata"].get("failed") for card in cards}
    assert {name: why for name, why in failed.items() if why} == {"hosted": "no such dtype"}
    card = (await gateway.http.get("/v1/models/hosted")).json()
    assert card["metadata"]["failed"] == "no such dtype"
    ready = await gateway.http.get("/health/readiness")
    assert (ready.status_code, ready.json()["experts_failed"]) == (200, ["hosted"])
    assert (await gateway.chat("stream 1")).status_code == 200


async def test_an_expert_is_ready_while_it_is_resident(serve: Any) -> None:
    slots = {"preload": False, "canary_tokens": 0}
    gateway = await serve({"hosted": {"type": "vllm", "model": "org/h"}}, slots=slots)
    assert (await gateway.http.get("/e/hosted/health/readiness")).status_code == 503
    await gateway.chat("x", "hosted")
    assert (await gateway.http.get("/e/hosted/health/readiness")).status_code == 200


async def test_the_pool_shows_its_residents(serve: Any) -> None:
    hosted = {"type": "vllm", "model": "org/h"}
    gateway = await serve({"hosted": hosted}, slots={"canary_tokens": 0})
    shown = (await gateway.http.get("/coterie/pool")).json()
    assert shown["slots"][0]["residents"] == ["hosted"]


async def test_metrics_count_requests_by_outcome(serve: Any) -> None:
    gateway = await serve()
    await gateway.chat("x", "pool/auto")
    await gateway.chat("x", "pool/auto", stream=True)
    await gateway.chat("refuse field")
    await gateway.chat("x", "made-up")
    await gateway.chat("drop-once metrics")
    await gateway.settled()
    text = (await gateway.http.get("/metrics")).text
    tiny = 'class="interactive",expert="tiny"'
    assert f'coterie_requests_total{{{tiny},model="pool/auto",status="200"}} 2.0' in text
    assert f"coterie_queue_seconds_count{{{tiny}}} 3.0" in text
    assert 'model="tiny",status="400"} 1.0' in text
    assert 'status="404"} 1.0' in text
    assert "made-up" not in text
    assert 'coterie_retries_total{expert="tiny"} 1.0' in text
    assert 'coterie_route_seconds_count{router="one"} 2.0' in text


@pytest.mark.parametrize(
    "path", ["/health", "/health/liveness", "/health/readiness", "/version", "/v1/models"]
)
async def test_head_is_get_without_the_body(gateway: Any, path: str) -> None:
    asked, read = await gateway.http.head(path), await gateway.http.get(path)
    assert (asked.status_code, asked.content) == (read.status_code, b"")
    assert asked.headers["content-length"] == str(len(read.content))
