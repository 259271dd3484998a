"""The OpenAPI document: whole, true to the routes and types, and to what keys are configured."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from pydantic import BaseModel
from repository import ROOT
from scripted_engine import scripted_engine

from experts.types import Operation
from orchestrator.request.tracing.presentation import HEADERS
from orchestrator.server.auth import is_guarded
from orchestrator.server.bodies.answers import ChatCompletionChunk, TextCompletionChunk
from orchestrator.server.fields import FIELDS

JSON = "application/json"
CHAT = {"messages": [{"role": "user", "content": "x"}]}
ENGINES = {"/tokenize", "/detokenize", "/tokenizer_info", "/version"}
OWN_ENGINE = {"type": "my_coterie.engines:Greeter", "greeting": "hello"}


@pytest.fixture(scope="module")
async def served(serve: Any) -> AsyncIterator[Any]:
    """An expert on a server with every endpoint, and a vote over it."""
    async with scripted_engine() as base_url:
        yield await serve(
            {"tiny": {"type": "openai", "base_url": base_url, "model": "tiny"}},
            compositions={
                "pool/vote": {
                    "router": "one",
                    "aggregator": {"type": "vote", "samples": 2, "stop_at": None},
                }
            },
        )


@pytest.fixture(scope="module")
async def document(served: Any) -> Any:
    return (await served.http.get("/openapi.json")).json()


def references(tree: Any) -> Iterator[str]:
    """Every `$ref` in a document."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        if key == "$ref":
            yield value
        elif isinstance(value, dict | list):
            yield from references(value)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def test_every_reference_leads_somewhere(document: Any) -> None:
    for reference in set(references(document)):
        found = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert found


def test_every_endpoint_tells_what_it_takes_and_answers(document: Any) -> None:
    ids = []
    for method, path, operation in operations(document):
        ids.append(operation["operationId"])
        assert operation["summary"], path
        assert {"200", "500"} <= operation["responses"].keys(), path
        bare = ("}/reload", "/drain", "/load", "/pin", "/routing")
        takes = method == "post" and not path.endswith(bare)
        assert ("requestBody" in operation) is takes, path
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("schema", "operation"),
    [
        ("ChatRequest", "chat/completions"),
        ("ExpertChatRequest", "chat/completions"),
        ("CompletionRequest", "completions"),
        ("ExpertCompletionRequest", "completions"),
    ],
)
def test_bodies_have_the_fields_that_may_pass(
    document: Any, schema: str, operation: Operation
) -> None:
    found = document["components"]["schemas"][schema]
    assert found["properties"].keys() == FIELDS[operation] | {"coterie"}
    assert found["additionalProperties"] is False
    assert [n for n, one in found["properties"].items() if not one.get("description")] in (
        ["coterie"],
        [],
    )
    for name, most in (("temperature", 2), ("n", 16384)):
        assert found["properties"][name]["anyOf"][0]["maximum"] == most


def test_the_models_that_there_are_stand_in_the_document(document: Any) -> None:
    schemas = document["components"]["schemas"]
    known, _ = schemas["ChatRequest"]["properties"]["model"]["anyOf"]
    assert known["enum"] == ["pool/vote", "tiny"]
    body = document["paths"]["/v1/chat/completions"]["post"]["requestBody"]["content"][JSON]
    assert body["example"]["model"] == "pool/vote"


def test_without_keys_no_call_wants_one(document: Any) -> None:
    assert "securitySchemes" not in document["components"]
    assert not any("security" in operation for _, _, operation in operations(document))


async def test_with_keys_exactly_the_guarded_calls_want_one(serve: Any) -> None:
    locked = await serve(server={"api_keys": {"one": {"key": "k" * 16}}})
    document = (await locked.http.get("/openapi.json")).json()
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for _, path, operation in operations(document):
        assert (operation.get("security") == [{"key": []}]) is is_guarded(path)
        assert ("401" in operation["responses"]) is is_guarded(path)
    # Anthropic's errors have a shape of their own.
    refusal = document["paths"]["/v1/messages"]["post"]["responses"]["401"]
    assert refusal["content"][JSON]["schema"]["$ref"].endswith("/AnthropicErrorBody")
    # Who reads it has no key, and learns no names.
    assert "tiny" not in json.dumps(document)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["tiny", "pool/vote"])
async def test_no_header_of_ours_is_missing(served: Any, model: str, stream: bool) -> None:
    answer = await served.chat("x", model, stream=stream, max_tokens=5.0)
    ours = {name for name in answer.headers if name.startswith("x-coterie-")}
    assert answer.status_code == 200
    assert ours
    assert ours <= HEADERS.keys()


@pytest.mark.parametrize("model", ["tiny", "pool/vote"])
@pytest.mark.parametrize(
    ("path", "asked", "kind"),
    [
        ("chat/completions", CHAT, ChatCompletionChunk),
        ("completions", {"prompt": "x"}, TextCompletionChunk),
    ],
)
async def test_the_events_of_a_stream_are_as_described(
    served: Any, document: Any, model: str, path: str, asked: Any, kind: type[BaseModel]
) -> None:
    body = {"model": model, "stream": True, "coterie": {"explain": True}, **asked}
    body["stream_options"] = {"include_usage": True}
    answer = await served.http.post(f"/v1/{path}", json=body)
    lines = [line for line in answer.text.splitlines() if line.startswith("data: ")]
    *events, done = (line.removeprefix("data: ") for line in lines)
    assert done == "[DONE]"
    assert len(events) > 2
    for event in events:
        kind.model_validate_json(event)
    described = document["paths"][f"/v1/{path}"]["post"]["responses"]["200"]["content"]
    assert kind.__name__ in json.dumps(described["text/event-stream"]["itemSchema"])


async def _asked(http: httpx.AsyncClient, base: str, document: Any) -> dict[str, int]:
    """The status of every call that a document lists, with its own example."""
    found = {}
    for method, path, operation in operations(document):
        body = operation.get("requestBody", {}).get("content", {}).get(JSON, {}).get("example")
        answer = await http.request(method.upper(), f"{base}{path}", json=body)
        found[path] = answer.status_code
    return found


async def test_what_an_experts_document_lists_answers(served: Any) -> None:
    document = (await served.http.get("/e/tiny/openapi.json")).json()
    (server,) = document["servers"]
    found = await _asked(served.http, server["url"], document)
    assert found.keys() > ENGINES
    assert set(found.values()) == {200}


async def test_an_expert_without_a_server_lists_no_tokenizer(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT / "tests" / "support" / "plugin_package")
    gateway = await serve({"mine": OWN_ENGINE})
    document = (await gateway.http.get("/e/mine/openapi.json")).json()
    found = await _asked(gateway.http, "/e/mine", document)
    assert ENGINES.isdisjoint(found)
    assert 404 not in found.values()


async def test_an_expert_that_does_not_exist_has_no_document(served: Any) -> None:
    assert (await served.http.get("/e/other/openapi.json")).status_code == 404
