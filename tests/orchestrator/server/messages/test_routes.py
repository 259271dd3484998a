"""Anthropic's Messages API, asked by Anthropic's own client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest
from scripted_chat import ScriptedChat, call, scripted_chat
from scripted_slot import PATIENCE_S

KEY = "k" * 16
HI = [{"role": "user", "content": "hi"}]
WEATHER = {
    "name": "weather",
    "description": "The weather of a town.",
    "input_schema": {"type": "object", "properties": {"town": {"type": "string"}}},
}
ASKED = {"model": "pool/auto", "max_tokens": 64, "messages": HI}


@pytest.fixture(scope="module")
async def chat() -> AsyncIterator[ScriptedChat]:
    async with scripted_chat() as running:
        yield running


@pytest.fixture(scope="module")
async def served(serve: Any, chat: ScriptedChat) -> Any:
    """A gateway with keys, over one scripted expert and a vote of it."""
    return await serve(
        {"tiny": {"type": "openai", "base_url": chat.base_url, "model": "m"}},
        compositions={
            "pool/auto": {"router": "one"},
            "pool/vote": {
                "router": "one",
                "aggregator": {"type": "vote", "samples": 2, "stop_at": None},
            },
        },
        server={"api_keys": {"one": {"key": KEY}}},
    )


@pytest.fixture
async def client(served: Any, chat: ScriptedChat) -> AsyncIterator[anthropic.AsyncAnthropic]:
    chat.bodies.clear()
    chat.lined_up.clear()
    chat.breaks = False
    async with anthropic.AsyncAnthropic(
        base_url=served.base_url, api_key=KEY, max_retries=0, timeout=PATIENCE_S
    ) as made:
        yield made


async def test_a_message_is_answered(client: Any, chat: ScriptedChat) -> None:
    chat.says({"content": "Hello."})
    answer = await client.messages.create(
        **ASKED,
        system=[{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}],
        stop_sequences=["END"],
        metadata={"user_id": "u-1"},
        extra_body={"temperature": 0.5, "top_p": 0.9, "top_k": 5},
    )

    assert [(block.type, block.text) for block in answer.content] == [("text", "Hello.")]
    assert (answer.type, answer.role, answer.model) == ("message", "assistant", "pool/auto")
    assert (answer.stop_reason, answer.stop_sequence) == ("end_turn", None)
    usage = answer.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (7, 4, 7)
    assert answer.model_extra["coterie"]["expert"] == "tiny"
    assert answer._request_id.startswith("req-")
    (asked,) = chat.bodies
    assert asked["messages"] == [{"role": "system", "content": "Be kind."}, *HI]
    assert (asked["stop"], asked["max_tokens"], asked["user"]) == (["END"], 64, "u-1")
    assert (asked["temperature"], asked["top_p"], asked["top_k"]) == (0.5, 0.9, 5)


async def test_a_stream_is_the_same_message_in_pieces(client: Any, chat: ScriptedChat) -> None:
    chat.says({"reasoning": "They greet.", "content": "Hello there."})
    async with client.messages.stream(**ASKED) as stream:
        kinds = [event.type async for event in stream]
        answer = await stream.get_final_message()

    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 2
    thinking, text = answer.content
    assert (thinking.type, thinking.thinking) == ("thinking", "They greet.")
    assert (text.type, text.text) == ("text", "Hello there.")
    assert (answer.stop_reason, answer.usage.input_tokens) == ("end_turn", 7)
    assert answer.usage.output_tokens == 7


@pytest.mark.parametrize("stream", [False, True])
async def test_tools_are_called_over_several_turns(
    client: Any, chat: ScriptedChat, stream: bool
) -> None:
    async def ask(messages: list[Any]) -> Any:
        asked = {**ASKED, "messages": messages, "tools": [WEATHER], "tool_choice": {"type": "any"}}
        if not stream:
            return await client.messages.create(**asked)
        async with client.messages.stream(**asked) as events:
            return await events.get_final_message()

    chat.says(
        {
            "content": "Let me look.",
            "tool_calls": [
                call("c-1", "weather", '{"town": "Köln"}'),
                call("c-2", "weather", '{"town": "Ulm"}'),
            ],
        },
        "tool_calls",
    )
    chat.says({"content": "Both are sunny."})
    messages: list[Any] = [{"role": "user", "content": "Weather in Köln and Ulm?"}]
    first = await ask(messages)

    assert first.stop_reason == "tool_use"
    calls = [block for block in first.content if block.type == "tool_use"]
    assert [(one.id, one.name, one.input) for one in calls] == [
        ("c-1", "weather", {"town": "Köln"}),
        ("c-2", "weather", {"town": "Ulm"}),
    ]
    messages.append({"role": "assistant", "content": first.content})
    results: list[Any] = [
        {"type": "tool_result", "tool_use_id": "c-1", "content": "sunny"},
        {
            "type": "tool_result",
            "tool_use_id": "c-2",
            "is_error": True,
            "content": [{"type": "text", "text": "no such town"}],
        },
        {"type": "text", "text": "And now?"},
    ]
    messages.append({"role": "user", "content": results})
    second = await ask(messages)

    assert second.stop_reason == "end_turn"
    assert second.content[0].text == "Both are sunny."
    asked = chat.bodies[-1]
    assert asked["tool_choice"] == "required"
    assert asked["tools"][0]["function"]["parameters"] == WEATHER["input_schema"]
    _, assistant, köln, ulm, user = asked["messages"]
    assert (assistant["content"], len(assistant["tool_calls"])) == ("Let me look.", 2)
    assert json.loads(assistant["tool_calls"][0]["function"]["arguments"]) == {"town": "Köln"}
    assert köln == {"role": "tool", "tool_call_id": "c-1", "content": "sunny"}
    assert ulm == {"role": "tool", "tool_call_id": "c-2", "content": "Error: no such town"}
    assert user == {"role": "user", "content": "And now?"}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_panel_answers(client: Any, chat: ScriptedChat, stream: bool) -> None:
    chat.says({"content": "42"})
    chat.says({"content": "42"})
    asked = {**ASKED, "model": "pool/vote"}
    if stream:
        async with client.messages.stream(**asked) as events:
            answer = await events.get_final_message()
    else:
        answer = await client.messages.create(**asked)

    assert answer.content[0].text == "42"
    assert answer.usage.output_tokens == 14


@pytest.mark.parametrize(
    ("finish", "more", "expected"),
    [
        ("length", {}, ("max_tokens", None)),
        ("stop", {"stop_reason": "END"}, ("stop_sequence", "END")),
        ("stop", {"stop_reason": "the expert's own"}, ("end_turn", None)),
        ("stop", {"stop_reason": 7}, ("end_turn", None)),
        ("content_filter", {}, ("refusal", None)),
    ],
)
async def test_it_is_told_why_an_answer_ends(
    client: Any, chat: ScriptedChat, finish: str, more: Any, expected: tuple[str, str | None]
) -> None:
    chat.says({"content": "x"}, finish, **more)
    answer = await client.messages.create(**ASKED, stop_sequences=["END"])
    assert (answer.stop_reason, answer.stop_sequence) == expected


async def test_a_call_that_was_cut_off_has_what_is_there(client: Any, chat: ScriptedChat) -> None:
    chat.says({"tool_calls": [call("c-1", "weather", '{"town": "Ul')]}, "length")
    answer = await client.messages.create(**ASKED, tools=[WEATHER])
    assert (answer.stop_reason, answer.content[0].input) == ("max_tokens", {})


async def test_an_answer_goes_on_where_the_last_message_ends(
    client: Any, chat: ScriptedChat
) -> None:
    chat.says({"content": "C)"})
    begun = [*HI, {"role": "assistant", "content": "The answer is ("}]
    await client.messages.create(**{**ASKED, "messages": begun})
    assert chat.bodies[-1]["continue_final_message"] is True
    assert chat.bodies[-1]["add_generation_prompt"] is False


async def test_an_explanation_comes_with_the_first_event(client: Any, chat: ScriptedChat) -> None:
    chat.says({"content": "x"})
    stream = await client.messages.create(
        **ASKED, stream=True, extra_body={"coterie": {"explain": True}}
    )
    events = [event async for event in stream]
    assert events[0].message.model_extra["coterie"]["scores"] == {"tiny": 1.0}
    assert events[-2].model_extra["coterie"]["expert"] == "tiny"


@pytest.mark.parametrize(
    ("status", "kind", "raised"),
    [
        (400, "invalid_request_error", anthropic.BadRequestError),
        (429, "rate_limit_error", anthropic.RateLimitError),
        (500, "api_error", anthropic.InternalServerError),
    ],
)
async def test_errors_of_experts_have_anthropics_shape(
    client: Any, chat: ScriptedChat, status: int, kind: str, raised: type[Exception]
) -> None:
    chat.lined_up += [(status, "so it is")] * 2
    with pytest.raises(raised) as caught:
        await client.messages.create(**ASKED)
    body = caught.value.body  # type: ignore[attr-defined]
    assert (body["type"], body["error"]["type"]) == ("error", kind)
    assert body["request_id"].startswith("req-")


async def test_an_error_in_a_stream_is_an_event(client: Any, chat: ScriptedChat) -> None:
    chat.breaks = True
    chat.says({"content": "some words"})
    stream = await client.messages.create(**ASKED, stream=True)
    with pytest.raises(anthropic.APIStatusError, match="tiny") as caught:
        async for _ in stream:
            pass
    assert caught.value.body["error"]["type"] == "api_error"


BLOCK = {"type": "text", "text": "x"}


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": None}, "max_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"no_such_field": 1}, "no_such_field"),
        ({"stop_sequences": ["a"] * 5}, "stop_sequences"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "pdf"}]}]}, None),
        ({"messages": [{"role": "user", "content": [{**BLOCK, "a": 1}]}]}, None),
        (
            {"messages": [{"role": "user", "content": [{"type": "thinking", "thinking": "x"}]}]},
            "messages[0].content[0].type",
        ),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, None),
        ({"tools": [WEATHER], "tool_choice": {"type": "tool", "name": "b"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"coterie": {"class": "no-such"}}, "coterie.class"),
        ({"coterie": {"no_such": 1}}, "coterie.no_such"),
        ({"model": ""}, "model"),
    ],
)
async def test_what_is_wrong_is_told_with_its_place(
    served: Any, client: Any, wrong: dict[str, Any], param: str | None
) -> None:
    answer = await served.http.post(
        "/v1/messages", json={**ASKED, **wrong}, headers={"x-api-key": KEY}
    )
    body = answer.json()
    assert answer.status_code == 400, body
    assert body["error"]["type"] == "invalid_request_error"
    if param is None:
        assert next(iter(wrong)) in body["error"]["param"]
    else:
        assert body["error"]["param"] == param
    assert "module:Class" not in body["error"]["message"]


async def test_a_panels_refusal_names_the_clients_own_field(served: Any) -> None:
    form = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
    asked = {**ASKED, "model": "pool/vote", "output_config": form}
    answer = await served.http.post("/v1/messages", json=asked, headers={"x-api-key": KEY})
    error = answer.json()["error"]
    assert error["param"] == "output_config.format"
    assert "response_format" not in error["message"]


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "wrong"}])
async def test_the_key_gates_refusals_have_anthropics_shape(served: Any, headers: Any) -> None:
    answer = await served.http.post("/v1/messages", json=ASKED, headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "authentication_error"
    assert answer.headers["request-id"] == answer.json()["request_id"]
    assert int(answer.headers["content-length"]) == len(answer.content)


@pytest.mark.parametrize("path", ["/v1/messages/nothing", "/batch/v1/messages/nothing"])
async def test_below_messages_every_error_is_anthropics(served: Any, path: str) -> None:
    answer = await served.http.get(path, headers={"x-api-key": KEY})
    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "not_found_error"


async def test_other_paths_keep_openais_errors(served: Any) -> None:
    answer = await served.http.get("/v1/nothing", headers={"x-api-key": KEY})
    assert answer.status_code == 404
    assert "type" not in answer.json()


async def test_the_batch_path_has_its_class(served: Any, chat: ScriptedChat, client: Any) -> None:
    chat.says({"content": "x"})
    answer = await served.http.post("/batch/v1/messages", json=ASKED, headers={"x-api-key": KEY})
    assert answer.headers["x-coterie-class"] == "batch"


@pytest.mark.parametrize("model", ["tiny", "pool/auto", "pool/vote"])
async def test_tokens_are_counted_by_the_experts_tokenizer(
    client: Any, chat: ScriptedChat, model: str
) -> None:
    told = await client.messages.count_tokens(
        model=model, messages=HI, system="Be kind.", tools=[WEATHER]
    )
    assert told.input_tokens == 2
    assert chat.counted[-1]["messages"] == [{"role": "system", "content": "Be kind."}, *HI]
    assert chat.counted[-1]["tools"][0]["function"]["name"] == "weather"
