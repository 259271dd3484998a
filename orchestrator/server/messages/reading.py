"""A request of Anthropic's Messages API as the chat that the pipeline takes. Pure."""

from typing import Any

from experts.errors import RequestError
from orchestrator.server.bodies.agents.messages import (
    AnthropicTool,
    AnthropicToolChoice,
    CountTokensBody,
    MessagesBody,
)
from orchestrator.server.messages.conversation import chat_messages

PLACES = {
    "max_completion_tokens": "max_tokens",
    "stop": "stop_sequences",
    "response_format": "output_config.format",
    "reasoning_effort": "output_config.effort",
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    "user": "metadata.user_id",
}
"""A field of a chat -> the client's own, where they are not called alike."""
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def chat_of(body: MessagesBody) -> dict[str, Any]:
    """The body of the chat. Raises RequestError, with the place in the client's body."""
    found = prompt_of(body)
    found |= {
        "max_tokens": body.max_tokens,
        "stop": body.stop_sequences,
        "temperature": body.temperature,
        "top_p": body.top_p,
        "top_k": body.top_k or None,
        "user": body.metadata.user_id if body.metadata is not None else None,
    }
    if body.stream:
        found |= {"stream": True, "stream_options": {"include_usage": True}}
    return {name: value for name, value in found.items() if value is not None}


def prompt_of(body: CountTokensBody) -> dict[str, Any]:
    """The part of the chat that its prompt is made of."""
    messages = chat_messages(body)
    found: dict[str, Any] = {"messages": messages}
    if body.tools:
        found["tools"] = [_tool(tool) for tool in body.tools]
    if body.tool_choice is not None:
        found |= _choice(body.tool_choice, body.tools or [])
    if body.thinking is not None and body.thinking.type == "disabled":
        found["reasoning_effort"] = "none"
    if body.output_config is not None:
        found |= _output(body)
    last = messages[-1]
    if last["role"] == "assistant" and last["content"] and "tool_calls" not in last:
        # The answer goes on where the last message ends.
        found |= {"continue_final_message": True, "add_generation_prompt": False}
    return found


def _output(body: CountTokensBody) -> dict[str, Any]:
    assert body.output_config is not None
    found: dict[str, Any] = {}
    if body.output_config.effort is not None:
        found["reasoning_effort"] = body.output_config.effort
    if (wanted := body.output_config.format) is not None:
        named = {"name": "answer", "schema": wanted.json_schema}
        found["response_format"] = {"type": "json_schema", "json_schema": named}
    return found


def _tool(tool: AnthropicTool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "parameters": tool.input_schema}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _choice(choice: AnthropicToolChoice, tools: list[AnthropicTool]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if choice.type == "tool":
        known = [tool.name for tool in tools]
        if choice.name not in known:
            place = "tool_choice.name"
            words = f"there is no such tool among the request's: {', '.join(known) or 'none'}"
            raise RequestError(f"{place}: {words}.", param=place)
        found["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
    elif tools:
        found["tool_choice"] = _CHOICES[choice.type]
    elif choice.type == "any":
        raise RequestError("`tool_choice` needs `tools` to choose among.", param="tool_choice")
    if tools and choice.disable_parallel_tool_use is not None:
        found["parallel_tool_calls"] = not choice.disable_parallel_tool_use
    return found
