"""The tools of a request to /v1/responses, as a chat knows them: as functions. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experts.errors import RequestError
from orchestrator.server.bodies.agents.response_items import (
    AllowedTools,
    CustomCallItem,
    CustomTool,
    FunctionCallItem,
    FunctionTool,
    HostedTool,
    NamedTool,
    NamespaceTool,
)
from orchestrator.server.bodies.agents.responses import ResponsesBody

_TEXT = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}
"""What a tool that takes any text is called with, as a function."""
Choice = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as the client knows it."""

    name: str
    namespace: str | None = None
    takes_text: bool = False


def function_name(name: str, namespace: str | None) -> str:
    """What a tool is called in a chat, which has no namespaces."""
    if not namespace:
        return name
    return namespace + name if namespace.endswith("_") else f"{namespace}__{name}"


def tools_of(body: ResponsesBody) -> tuple[list[dict[str, Any]], Mapping[str, Tool]]:
    """The functions of the chat, and which tool of the client each of them is.

    Raises RequestError for two tools that a chat could not tell apart.
    """
    functions: list[dict[str, Any]] = []
    known: dict[str, Tool] = {}
    for place, namespace, tool in _flat(body):
        name = function_name(tool.name, namespace)
        if name in known:
            raise RequestError(f"{place}.name: there are two tools `{name}`.", param=place)
        known[name] = Tool(tool.name, namespace, isinstance(tool, CustomTool))
        functions.append({"type": "function", "function": _function(name, tool)})
    return functions, known


def _flat(body: ResponsesBody) -> list[tuple[str, str | None, FunctionTool | CustomTool]]:
    found: list[tuple[str, str | None, FunctionTool | CustomTool]] = []
    for number, tool in enumerate(body.tools or ()):
        place = f"tools[{number}]"
        if isinstance(tool, NamespaceTool):
            inner = enumerate(tool.tools)
            found += [(f"{place}.tools[{at}]", tool.name, one) for at, one in inner]
        elif not isinstance(tool, HostedTool):
            found.append((place, None, tool))
    return found


def _function(name: str, tool: FunctionTool | CustomTool) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name}
    if tool.description is not None:
        found["description"] = tool.description
    if isinstance(tool, CustomTool):
        return {**found, "parameters": _TEXT}
    if tool.parameters is not None:
        found["parameters"] = tool.parameters
    if tool.strict is not None:
        found["strict"] = tool.strict
    return found


def choice_of(
    body: ResponsesBody, functions: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], str | Choice | None]:
    """The functions that are left, and the choice among them. Raises RequestError."""
    choice = body.tool_choice
    if choice is None or choice in ("auto", "none"):
        return functions, choice if functions and isinstance(choice, str) else None
    if isinstance(choice, str):
        if not functions:
            raise RequestError("`tool_choice` needs `tools` to choose among.", param="tool_choice")
        return functions, choice
    if isinstance(choice, AllowedTools):
        places = [f"tool_choice.tools[{n}].name" for n in range(len(choice.tools))]
        names = [_named(*one, functions) for one in zip(choice.tools, places, strict=True)]
        left = [one for one in functions if one["function"]["name"] in names]
        return left, choice.mode
    name = _named(choice, "tool_choice.name", functions)
    return functions, {"type": "function", "function": {"name": name}}


def _named(tool: NamedTool, place: str, functions: list[dict[str, Any]]) -> str:
    known = [one["function"]["name"] for one in functions]
    name = function_name(tool.name, (tool.model_extra or {}).get("namespace"))
    if name not in known:
        words = f"there is no such tool among the request's: {', '.join(known) or 'none'}"
        raise RequestError(f"{place}: {words}.", param=place)
    return name


def call_of(item: FunctionCallItem | CustomCallItem) -> dict[str, Any]:
    """A call that was made, as a chat has it."""
    if isinstance(item, CustomCallItem):
        arguments = json.dumps({"input": item.input}, ensure_ascii=False)
    else:
        arguments = item.arguments
    function = {"name": function_name(item.name, item.namespace), "arguments": arguments}
    return {"id": item.call_id, "type": "function", "function": function}
