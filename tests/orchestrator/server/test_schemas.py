"""What bad requests get from the gateway: an error in OpenAI's shape that names the mistake."""

import asyncio
import json
from typing import Any

import httpx
import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experts.types import Operation
from orchestrator.server.fields import FIELDS
from routers.base import Decision

HI = [{"role": "user", "content": "stream 3"}]


def _error(response: httpx.Response) -> dict[str, Any]:
    """The error, its shape checked."""
    error = response.json()["error"]
    assert {"message", "type", "param", "code"} <= error.keys()
    assert response.headers["x-request-id"]
    return dict(error)


@pytest.mark.parametrize("stream", [True, False])
async def test_an_unknown_model_is_not_found(gateway: Any, stream: bool) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        await gateway.openai.chat.completions.create(model="gpt-9", messages=HI, stream=stream)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    assert "Known models: pool/auto, tiny" in caught.value.message


async def test_an_unknown_expert_path_is_not_found(gateway: Any) -> None:
    answer = await gateway.http.post("/e/other/v1/completions", json={"prompt": "x"})
    assert answer.status_code == 404
    assert _error(answer)["code"] == "model_not_found"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"temprature": 1}, "temprature"),
        ({"coterie": {"explian": True}}, "coterie.explian"),
        ({"coterie": {"explain": "perhaps"}}, "coterie.explain"),
        ({"coterie": []}, "coterie"),
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ({"stream": "yes"}, "stream"),
    ],
)
async def test_a_bad_field_is_named(gateway: Any, change: dict[str, Any], param: str) -> None:
    answer = await gateway.chat("x", **change) if "model" not in change else None
    if answer is None:
        body = {"messages": HI, **change}
        answer = await gateway.http.post("/v1/chat/completions", json=body)
    assert answer.status_code == 400
    error = _error(answer)
    assert error["param"] == param
    assert error["type"] == "invalid_request_error"


async def test_a_completion_needs_a_prompt(gateway: Any) -> None:
    answer = await gateway.http.post("/v1/completions", json={"model": "tiny"})
    assert answer.status_code == 400
    assert _error(answer)["param"] == "prompt"


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"3", b"\xff", b'{"model": "tiny", "\\ud800": 1}', b"[" * 100_000],
    ids=["empty", "cut off", "list", "number", "not UTF-8", "half a surrogate", "deep"],
)
async def test_a_body_that_is_no_object_is_refused(gateway: Any, raw: bytes) -> None:
    answer = await gateway.http.post("/v1/chat/completions", content=raw)
    assert answer.status_code == 400
    assert _error(answer)["type"] == "invalid_request_error"


@pytest.mark.parametrize("part", ["text", {"type": "text"}, {"type": "text", "text": None}, 3])
async def test_a_broken_message_part_harms_neither_the_server_nor_the_other_requests(
    serve: Any, part: Any
) -> None:
    class Reader:
        name = "one"

        def route(self, requests: Any) -> list[Decision]:
            queries = [request.query for request in requests]
            return [Decision("one", (("tiny", 1.0),), query) for query in queries]

    gateway = await serve(routers={"one": Reader()})
    broken = {"model": "pool/auto", "messages": [{"role": "user", "content": [part]}]}
    answers = await asyncio.gather(
        gateway.chat("x", "pool/auto"),
        gateway.http.post("/v1/chat/completions", json=broken),
        gateway.chat("y", "pool/auto"),
    )
    assert answers[1].status_code < 500
    assert [answers[0].status_code, answers[2].status_code] == [200, 200]


async def test_a_body_over_the_bound_is_too_large(serve: Any) -> None:
    gateway = await serve(server={"max_body_mb": 0.01})
    answer = await gateway.chat("x" * 20_000)
    assert answer.status_code == 413
    assert _error(answer)["code"] == "body_too_large"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "unknown_url"),
        ("POST", "/v2/chat/completions", 404, "unknown_url"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
    ],
)
async def test_an_url_that_does_not_exist_is_answered_in_openais_shape(
    gateway: Any, method: str, path: str, status: int, code: str
) -> None:
    answer = await gateway.http.request(method, path)
    assert answer.status_code == status
    assert _error(answer)["code"] == code


@pytest.mark.parametrize(
    ("change", "status", "param"),
    [
        ({"model": "tiny"}, 404, "model"),
        ({"input": []}, 400, "input"),
        ({"input": ["a"] * 4}, 400, "input"),
        ({"input": 3}, 400, None),
        ({"encoding_format": "hex"}, 400, "encoding_format"),
        ({"dimensions": 3}, 400, "dimensions"),
        ({"dimensions": "2"}, 400, "dimensions"),
        ({"input": "a\ud800"}, 400, "input"),
        ({"colour": 1}, 400, "colour"),
    ],
)
async def test_a_bad_embeddings_request_is_refused(
    serve: Any, change: dict[str, Any], status: int, param: str | None
) -> None:
    gateway = await serve(server={"max_embedding_inputs": 3})
    body = {"model": "coterie/embed", "input": "a", **change}
    answer = await gateway.http.post("/v1/embeddings", content=json.dumps(body))
    assert answer.status_code == status
    error = _error(answer)
    assert error["param"] == param or (param is None and error["param"].startswith("input"))


@pytest.mark.parametrize(
    ("coterie", "message"),
    [
        ([], "coterie: must be an object."),
        ({"tests": "x"}, "coterie.tests: must be a valid list."),
        ({"clas": "batch"}, "coterie.clas: unknown key. Did you mean `class`?"),
        ({"explain": "perhaps"}, "coterie.explain: must be true or false."),
        (
            {"experts": 0},
            "coterie.experts: must be a number from 1 to 64, or names of experts.",
        ),
    ],
)
async def test_a_mistake_is_told_in_the_words_of_the_configuration(
    gateway: Any, coterie: Any, message: str
) -> None:
    error = _error(await gateway.chat("x", coterie=coterie))
    assert error["message"] == message
    assert error["param"] == message.partition(": ")[0]


@pytest.mark.parametrize("score", ["NaN", "Infinity", "-Infinity", "1e999", "2", "-1", '"good"'])
async def test_a_score_must_be_a_number_from_0_to_1(gateway: Any, score: str) -> None:
    raw = f'{{"request_id": "r", "score": {score}}}'
    answer = await gateway.http.post("/coterie/feedback", content=raw)
    error = _error(answer)
    assert (answer.status_code, error["param"]) == (400, "score")
    wanted = "finite number" if "N" in score or "I" in score else "number from 0 to 1"
    assert error["message"] == f"score: must be a {wanted}."


async def test_what_only_openai_knows_passes(gateway: Any, upstream: Any) -> None:
    fields: dict[str, Any] = {
        "prompt_cache_retention": "24h",
        "prompt_cache_options": {},
        "moderation": {"model": "omni-moderation-latest"},
        "verbosity": "low",
        "store": False,
    }
    answer = await gateway.openai.chat.completions.create(model="pool/auto", messages=HI, **fields)
    assert answer.choices[0].message.content == "w\u00f6rd"
    assert upstream.bodies[-1].items() >= fields.items()


async def test_null_in_an_embeddings_request_is_absent(gateway: Any) -> None:
    nulls = dict.fromkeys(["encoding_format", "dimensions", "user"])
    body = {"model": "coterie/embed", "input": "a", **nulls}
    answer = await gateway.http.post("/v1/embeddings", json=body)
    assert answer.status_code == 200
    assert isinstance(answer.json()["data"][0]["embedding"], list)


@pytest.mark.parametrize("model", ["tiny", "pool/auto"])
async def test_another_server_has_no_roles(gateway: Any, model: str) -> None:
    answer = await gateway.chat("x", model, coterie={"role": "anybody"})
    assert (answer.status_code, _error(answer)["param"]) == (400, "coterie.role")


@pytest.mark.parametrize("model", ["hosted", "pool/auto"])
async def test_a_role_needs_an_expert_that_has_some(serve: Any, model: str) -> None:
    class Hosted:
        name = "one"

        def route(self, requests: Any) -> list[Decision]:
            return [Decision("one", (("hosted", 1.0),), "") for _ in requests]

    hosted = {"type": "vllm", "model": "org/hosted", "memory_gb": 1}
    gateway = await serve({"hosted": hosted}, routers={"one": Hosted()}, slots={"canary_tokens": 0})
    answer = await gateway.chat("x", model, coterie={"role": "anybody"})
    assert (answer.status_code, _error(answer)["param"]) == (400, "coterie.role")
    assert "hosted has no roles" in _error(answer)["message"]


@pytest.mark.parametrize("operation", ["chat/completions", "completions"])
@pytest.mark.parametrize("model", ["tiny", "pool/auto", "pool/one+vote", "tiny-typo"])
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
async def test_no_value_of_any_field_is_a_fault_of_the_server(
    gateway: Any, operation: Operation, model: str, data: st.DataObject
) -> None:
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=2)
    values = scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.text(max_size=2), scalars)
    names = sorted(FIELDS[operation] - {"model"})
    fields = data.draw(st.dictionaries(st.sampled_from(names), values, min_size=1, max_size=2))
    asked = {"messages": HI} if operation == "chat/completions" else {"prompt": "x"}
    raw = json.dumps({**asked, **fields, "model": model})
    answer = await gateway.http.post(f"/v1/{operation}", content=raw)
    assert answer.status_code in (200, 400, 404)
    if answer.status_code != 200:
        error = _error(answer)
        assert isinstance(error["code"], str)
        assert error["type"] in ("invalid_request_error", "not_found_error")
