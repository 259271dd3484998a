"""What /v1/responses refuses, and what it takes although it has no meaning here."""

from __future__ import annotations

from typing import Any

import pytest
from scripted_chat import ScriptedChat

WEATHER = {"type": "function", "name": "weather"}
ASKED = {"model": "pool/auto", "input": "hi"}
PDF = {"type": "input_file", "file_data": "x"}


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"model": None}, "model"),
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type"),
        ({"input": [{"role": "user", "content": [PDF]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        (
            {"input": [{"type": "function_call_output", "output": "x"}]},
            "input[0].call_id",
        ),
        (
            {
                "input": [
                    {
                        "role": "assistant",
                        "content": [{"type": "input_image", "image_url": "x"}],
                    }
                ]
            },
            "input[0].content[0].type",
        ),
        ({"tools": [WEATHER, {"type": "file_search"}]}, "tools[1].type"),
        ({"tools": [WEATHER, {"type": "mcp", "server_url": "x"}]}, "tools[1].type"),
        ({"tools": [WEATHER, WEATHER]}, "tools[1]"),
        ({"tools": [WEATHER], "tool_choice": {"type": "web_search"}}, "tool_choice.type"),
        (
            {"tools": [WEATHER], "tool_choice": {"type": "function", "name": "b"}},
            "tool_choice.name",
        ),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"no_such_field": 1}, "no_such_field"),
        ({"messages": []}, "messages"),
        ({"coterie": {"class": "no-such"}}, "coterie.class"),
    ],
)
async def test_what_is_wrong_is_told_with_its_place(
    served: Any, wrong: dict[str, Any], param: str
) -> None:
    answer = await served.http.post("/v1/responses", json={**ASKED, **wrong})
    error = answer.json()["error"]
    assert answer.status_code == 400, error
    assert error["param"] == param
    assert "module:Class" not in error["message"]


@pytest.mark.parametrize(
    "harmless",
    [
        {"store": True},
        {"background": False},
        {"previous_response_id": None},
        {"tools": [], "tool_choice": "auto", "parallel_tool_calls": True},
        {"service_tier": "auto", "prompt_cache_key": "x", "client_metadata": {"a": "b"}},
        {"text": {"format": {"type": "text"}, "verbosity": None}},
        {"stream_options": {"include_obfuscation": False}},
    ],
)
async def test_harmless_fields_are_taken(served: Any, chat: ScriptedChat, harmless: Any) -> None:
    chat.lined_up.clear()
    chat.says({"content": "x"})
    answer = await served.http.post("/v1/responses", json={**ASKED, **harmless})
    assert answer.status_code == 200, answer.text
    assert answer.json()["store"] is False


async def test_a_panels_refusal_names_the_clients_own_field(served: Any) -> None:
    asked = {**ASKED, "model": "pool/vote", "text": {"format": {"type": "json_object"}}}
    error = (await served.http.post("/v1/responses", json=asked)).json()["error"]
    assert error["param"] == "text.format"
    assert "response_format" not in error["message"]
