"""What `/v1/models` tells of each model: its context, and what it can do."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from experts.vllm.loads import Limits


@pytest.fixture
def model(tmp_path: Path) -> Any:
    """Writes the files of a model that chats and calls tools, as Qwen's do."""

    def write(name: str, *, chats: bool) -> str:
        folder = tmp_path / name
        folder.mkdir()
        config = {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}
        (folder / "config.json").write_text(json.dumps(config))
        template = "{{ tools }}<tool_call>{{ messages }}</tool_call>"
        tokenizer = {"chat_template": template} if chats else {}
        (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
        return str(folder)

    return write


async def _cards(gateway: Any) -> dict[str, Any]:
    listed = (await gateway.http.get("/v1/models")).json()["data"]
    return {card["id"]: card for card in listed}


async def test_experts_tell_what_they_can_and_compositions_what_all_keep(
    serve: Any, model: Any
) -> None:
    hosted = {"type": "vllm", "memory_gb": 0.1}
    gateway = await serve(
        {
            "talker": {**hosted, "model": model("talker", chats=True)},
            "base": {**hosted, "model": model("base", chats=False), "images": True},
            "vectors": {**hosted, "model": model("vectors", chats=False), "task": "embed"},
        },
        slots={"preload": False, "canary_tokens": 0},
        compositions={
            "pool/auto": {"router": "one"},
            "pool/vote": {"router": "one", "aggregator": "vote"},
            "pool/score": {"router": "one", "aggregator": "likelihood"},
        },
    )
    can = {name: card["capabilities"] for name, card in (await _cards(gateway)).items()}
    assert can["talker"] == ["chat", "completions", "streaming", "tools", "json", "logprobs"]
    assert {"chat", "tools"}.isdisjoint(can["base"])
    assert "vision" in can["base"]
    assert can["vectors"] == can["coterie/embed"] == ["embeddings"]
    assert can["tiny"] == ["chat", "streaming"]
    assert can["pool/auto"] == ["streaming", "vision"]
    assert can["pool/score"] == ["completions", "logprobs"]
    assert can["pool/vote"] == ["streaming", "vision"]


async def test_a_context_is_told_once_it_is_known(serve: Any) -> None:
    hosted = {"type": "vllm", "model": "org/h", "memory_gb": 1}
    gateway = await serve({"hosted": hosted}, slots={"preload": False, "canary_tokens": 0})
    assert "max_model_len" not in (await _cards(gateway))["hosted"]
    engine = gateway.pool._scheduler.view.serving("hosted")
    engine.limits = Limits("float32", 4096, 9999)
    card = (await _cards(gateway))["hosted"]
    assert (card["max_model_len"], card["context_length"]) == (4096, 4096)


async def test_a_composition_promises_the_shortest_context(serve: Any, upstream: Any) -> None:
    remote = {"type": "openai", "base_url": upstream.base_url, "model": "m"}
    can = ["chat", "streaming", "tools"]
    gateway = await serve(
        {
            "tiny": {**remote, "max_model_len": 2048, "capabilities": can},
            "long": {**remote, "max_model_len": 8192, "capabilities": [*can, "json"]},
        }
    )
    card = (await _cards(gateway))["pool/auto"]
    assert (card["max_model_len"], card["capabilities"]) == (2048, can)
    unknown = await serve({"long": {**remote, "max_model_len": 8192}})
    assert "max_model_len" not in (await _cards(unknown))["pool/auto"]


async def test_openais_client_reads_them(gateway: Any) -> None:
    model = await gateway.openai.models.retrieve("tiny")
    assert model.model_extra["capabilities"] == ["chat", "streaming"]
    one = (await gateway.http.get("/e/tiny/v1/models")).json()["data"]
    assert [card["capabilities"] for card in one] == [["chat", "streaming"]]


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ({"id": "m", "max_model_len": 4096}, 4096),  # vLLM
        ({"id": "m", "context_length": 131072}, 131072),  # OpenRouter
        ({"id": "m", "max_model_len": "long"}, None),
        ({"id": "other", "max_model_len": 4096}, None),
    ],
)
async def test_a_server_that_tells_its_context_is_asked_once(
    serve: Any, card: Mapping[str, Any], expected: int | None
) -> None:
    asked = []

    async def models(http: web.Request) -> web.Response:
        asked.append(http.headers.get("authorization"))
        return web.json_response({"object": "list", "data": [card]})

    application = web.Application()
    application.router.add_get("/v1/models", models)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        base_url = "http://{}:{}/v1".format(*runner.addresses[0][:2])
        far = {"type": "openai", "base_url": base_url, "model": "m", "api_key": "sk-far"}
        gateway = await serve({"far": far})
        found = [(await _cards(gateway))["far"].get("max_model_len") for _ in range(2)]
    finally:
        await runner.cleanup()
    assert found == [expected, expected]
    assert asked == ["Bearer sk-far"]


async def test_a_server_that_is_away_costs_nothing_but_the_number(serve: Any) -> None:
    far = {"type": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m"}
    card = (await _cards(await serve({"far": far})))["far"]
    assert "max_model_len" not in card
