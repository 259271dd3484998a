"""OpenAI's Responses API, asked by OpenAI's own client."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel
from scripted_chat import ScriptedChat, call

WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a town.",
    "parameters": {"type": "object", "properties": {"town": {"type": "string"}}},
    "strict": False,
}
ASKED = {"model": "pool/auto", "input": "hi"}


async def ask(client: Any, stream: bool, **asked: Any) -> Any:
    """The final response, streamed or whole."""
    if not stream:
        return await client.responses.create(**asked)
    async with client.responses.stream(**asked) as events:
        return await events.get_final_response()


async def test_a_text_is_answered(client: Any, chat: ScriptedChat) -> None:
    chat.says({"content": "Hello."})
    answer = await client.responses.create(
        **ASKED,
        instructions="Be kind.",
        temperature=0.5,
        top_p=0.9,
        max_output_tokens=64,
        metadata={"run": "7"},
        user="u-1",
        store=False,
        include=["reasoning.encrypted_content"],
        parallel_tool_calls=True,
        truncation="disabled",
        reasoning={"effort": "low", "summary": "auto"},
    )

    assert (answer.output_text, answer.status, answer.model) == ("Hello.", "completed", "pool/auto")
    assert answer.output[0].id.startswith("msg_")
    assert answer.id.startswith("resp_")
    assert (answer.instructions, answer.metadata, answer.temperature) == (
        "Be kind.",
        {"run": "7"},
        0.5,
    )
    usage = answer.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (11, 7, 18)
    assert usage.input_tokens_details.cached_tokens == 4
    assert answer.model_extra["coterie"]["expert"] == "tiny"
    (asked,) = chat.bodies
    assert asked["messages"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "hi"},
    ]
    assert (asked["max_completion_tokens"], asked["user"]) == (64, "u-1")
    assert (asked["temperature"], asked["top_p"], asked["reasoning_effort"]) == (0.5, 0.9, "low")
    assert not {"store", "metadata", "include", "parallel_tool_calls"} & asked.keys()


async def test_the_events_of_a_stream_are_those_of_openai(client: Any, chat: ScriptedChat) -> None:
    chat.says({"reasoning": "They greet.", "content": "Hello you."})
    stream = await client.responses.create(**ASKED, stream=True)
    events = [event async for event in stream]

    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type for event in events]
    assert list(dict.fromkeys(kinds)) == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.reasoning_text.delta",
        "response.reasoning_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.output_text.delta",
        "response.output_text.done",
        "response.completed",
    ]
    assert kinds.count("response.output_item.done") == 2
    text = "".join(one.delta for one in events if one.type == "response.output_text.delta")
    final = events[-1].response
    assert text == final.output_text == "Hello you."
    reasoning, message = final.output
    assert reasoning.content[0].text == "They greet."
    done = [event.item for event in events if event.type == "response.output_item.done"]
    assert [one.id for one in done] == [reasoning.id, message.id]
    assert final.usage.total_tokens == 18
    assert final.model_extra["coterie"]["expert"] == "tiny"


@pytest.mark.parametrize("stream", [False, True])
async def test_tools_are_called_over_several_turns(
    client: Any, chat: ScriptedChat, stream: bool
) -> None:
    chat.says(
        {
            "reasoning": "I must look.",
            "content": "Let me look.",
            "tool_calls": [
                call("c-1", "weather", '{"town": "Köln"}'),
                call("c-2", "weather", '{"town": "Ulm"}'),
            ],
        },
        "tool_calls",
    )
    chat.says({"content": "Both are sunny."})
    items: list[Any] = [{"role": "user", "content": "Weather in Köln and Ulm?"}]
    asked = {"model": "pool/auto", "tools": [WEATHER], "tool_choice": "required"}
    first = await ask(client, stream, **asked, input=items)

    calls = [item for item in first.output if item.type == "function_call"]
    assert [(one.call_id, one.name, json.loads(one.arguments)["town"]) for one in calls] == [
        ("c-1", "weather", "Köln"),
        ("c-2", "weather", "Ulm"),
    ]
    items += [item.model_dump(exclude_none=True) for item in first.output]
    items += [
        {"type": "function_call_output", "call_id": "c-1", "output": "sunny"},
        {
            "type": "function_call_output",
            "call_id": "c-2",
            "output": [{"type": "input_text", "text": "sunny, too"}],
        },
    ]
    second = await ask(client, stream, **{**asked, "tool_choice": "auto"}, input=items)

    assert second.output_text == "Both are sunny."
    assert chat.bodies[0]["tool_choice"] == "required"
    assert chat.bodies[0]["tools"][0]["function"]["name"] == "weather"
    _, assistant, köln, ulm = chat.bodies[-1]["messages"]
    assert (assistant["content"], len(assistant["tool_calls"])) == ("Let me look.", 2)
    assert köln == {"role": "tool", "tool_call_id": "c-1", "content": "sunny"}
    assert ulm == {"role": "tool", "tool_call_id": "c-2", "content": "sunny, too"}


@pytest.mark.parametrize("stream", [False, True])
async def test_an_agents_mixed_tools_are_taken(
    client: Any, chat: ScriptedChat, stream: bool
) -> None:
    """Such as Codex sends: tools that take any text, namespaces, and some of OpenAI's servers."""
    chat.says(
        {
            "tool_calls": [
                call("c-1", "apply_patch", '{"input": "*** Begin"}'),
                call("c-2", "mcp__files__read", '{"path": "a"}'),
            ]
        },
        "tool_calls",
    )
    chat.says({"content": "Done."})
    read = {"type": "function", "name": "read", "parameters": {"type": "object"}}
    tools: list[Any] = [
        WEATHER,
        {"type": "custom", "name": "apply_patch", "format": {"type": "text"}},
        {"type": "namespace", "name": "mcp__files__", "description": "files", "tools": [read]},
        {"type": "web_search", "external_web_access": False},
        {"type": "image_generation"},
    ]
    asked = {"model": "tiny", "tools": tools}
    items: list[Any] = [{"type": "message", "role": "developer", "content": "Be brief."}]
    items.append({"role": "user", "content": [{"type": "input_text", "text": "go"}]})
    first = await ask(client, stream, **asked, input=items)

    patch, reading = first.output
    assert (patch.type, patch.name, patch.input) == ("custom_tool_call", "apply_patch", "*** Begin")
    assert (reading.name, reading.namespace) == ("read", "mcp__files__")
    assert [tool.type for tool in first.tools] == ["function", "custom", "namespace"]
    items += [item.model_dump(exclude_none=True) for item in first.output]
    items.append({"type": "custom_tool_call_output", "call_id": "c-1", "output": "ok"})
    items.append({"type": "function_call_output", "call_id": "c-2", "output": "b"})
    assert (await ask(client, stream, **asked, input=items)).output_text == "Done."
    sent = chat.bodies[-1]
    names = [tool["function"]["name"] for tool in sent["tools"]]
    assert names == ["weather", "apply_patch", "mcp__files__read"]
    assert sent["messages"][0] == {"role": "system", "content": "Be brief."}
    again = [one["function"] for one in sent["messages"][2]["tool_calls"]]
    assert json.loads(again[0]["arguments"]) == {"input": "*** Begin"}
    assert again[1]["name"] == "mcp__files__read"


class Town(BaseModel):
    name: str


async def test_a_form_can_be_asked_for(client: Any, chat: ScriptedChat) -> None:
    chat.says({"content": '{"name": "Ulm"}'})
    answer = await client.responses.parse(**ASKED, text_format=Town)
    assert answer.output_parsed == Town(name="Ulm")
    form = chat.bodies[-1]["response_format"]
    assert form["json_schema"]["schema"]["properties"].keys() == {"name"}


async def test_logprobs_of_the_text_are_told(client: Any, chat: ScriptedChat) -> None:
    told = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}
    chat.says({"content": "Hi"}, logprobs={"content": [told]})
    answer = await client.responses.create(**ASKED, include=["message.output_text.logprobs"])
    assert answer.output[0].content[0].logprobs[0].logprob == -0.5
    assert chat.bodies[-1]["logprobs"] is True


@pytest.mark.parametrize("stream", [False, True])
async def test_an_image_reaches_the_expert(served: Any, chat: ScriptedChat, stream: bool) -> None:
    chat.lined_up.clear()
    chat.says({"content": "a cat"})
    content = [
        {"type": "input_text", "text": "What is it?"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "original"},
    ]
    body = {"model": "tiny", "input": [{"role": "user", "content": content}], "stream": stream}
    answer = await served.http.post("/v1/responses", json=body)
    assert answer.status_code == 200
    text, image = chat.bodies[-1]["messages"][0]["content"]
    assert text == {"type": "text", "text": "What is it?"}
    assert image == {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_panel_answers(client: Any, chat: ScriptedChat, stream: bool) -> None:
    chat.says({"content": "42"})
    chat.says({"content": "42"})
    answer = await ask(client, stream, **{**ASKED, "model": "pool/vote"})
    assert answer.output_text == "42"
    assert answer.usage.output_tokens == 14
    assert answer.model_extra["coterie"]["panel"] == ["tiny"]


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_was_cut_off_is_incomplete(
    client: Any, chat: ScriptedChat, stream: bool
) -> None:
    chat.says({"content": "so far"}, "length")
    if stream:
        events = [one async for one in await client.responses.create(**ASKED, stream=True)]
        assert events[-1].type == "response.incomplete"
        answer = events[-1].response
    else:
        answer = await client.responses.create(**ASKED)
    assert answer.status == "incomplete"
    assert answer.incomplete_details.reason == "max_output_tokens"
    assert answer.output[0].status == "incomplete"


async def test_a_stream_that_breaks_has_failed(client: Any, chat: ScriptedChat) -> None:
    chat.breaks = True
    chat.says({"content": "some words"})
    events = [one async for one in await client.responses.create(**ASKED, stream=True)]
    assert events[-1].type == "response.failed"
    failed = events[-1].response
    assert (failed.status, failed.error.code) == ("failed", "server_error")
    assert "tiny" in failed.error.message


async def test_an_error_before_the_first_piece_is_whole(client: Any, chat: ScriptedChat) -> None:
    chat.lined_up.append((400, "not that"))
    with pytest.raises(openai.BadRequestError, match="not that"):
        await client.responses.create(**ASKED, stream=True)


async def test_an_explanation_comes_with_the_first_event(client: Any, chat: ScriptedChat) -> None:
    chat.says({"content": "x"})
    asked = {**ASKED, "stream": True, "extra_body": {"coterie": {"explain": True}}}
    events = [event async for event in await client.responses.create(**asked)]
    assert events[0].response.model_extra["coterie"]["scores"] == {"tiny": 1.0}


async def test_allowed_tools_are_the_only_ones(client: Any, chat: ScriptedChat) -> None:
    chat.says({"content": "x"})
    other = {**WEATHER, "name": "other"}
    allowed = {
        "type": "allowed_tools",
        "mode": "required",
        "tools": [{"type": "function", "name": "other"}],
    }
    await client.responses.create(**ASKED, tools=[WEATHER, other], tool_choice=allowed)
    assert [one["function"]["name"] for one in chat.bodies[-1]["tools"]] == ["other"]
    assert chat.bodies[-1]["tool_choice"] == "required"
