"""The sections of an answer as output items of the Responses API. Pure."""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

from orchestrator.server.dialects.sections import Section
from orchestrator.server.responses.tools import Tool

_PREFIX = {"reasoning": "rs", "text": "msg", "call": "fc"}
PART = {"reasoning": "reasoning_text", "text": "output_text"}


class Items:
    """Words the items of one answer; each keeps its id."""

    def __init__(self, tools: Mapping[str, Tool]) -> None:
        """`tools` are the client's, by what they are called in the chat."""
        self._tools = tools
        self._ids: dict[int, str] = {}

    def id_of(self, section: Section) -> str:
        """The item's id."""
        if section.place not in self._ids:
            self._ids[section.place] = f"{_PREFIX[section.kind]}_{uuid4().hex}"
        return self._ids[section.place]

    def tool_of(self, section: Section) -> Tool:
        """The tool that is called, as the client knows it."""
        return self._tools.get(section.name) or Tool(section.name)

    def item(self, section: Section, status: str, *, empty: bool = False) -> dict[str, Any]:
        """The item as it is now; `empty`: as it was when it began."""
        head = {"id": self.id_of(section), "status": status}
        text = "" if empty else section.text
        if section.kind == "reasoning":
            content = [] if empty else [part("reasoning", text)]
            return {"type": "reasoning", **head, "summary": [], "content": content}
        if section.kind == "text":
            content = [] if empty else [part("text", text, section.logprobs)]
            return {"type": "message", **head, "role": "assistant", "content": content}
        tool = self.tool_of(section)
        named = {"call_id": section.id, "name": tool.name}
        if tool.namespace is not None:
            named["namespace"] = tool.namespace
        if tool.takes_text:
            return {"type": "custom_tool_call", **head, **named, "input": text_of(text)}
        return {"type": "function_call", **head, **named, "arguments": text}


def part(kind: str, text: str, logprobs: Iterable[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """The content of an item."""
    if kind == "reasoning":
        return {"type": "reasoning_text", "text": text}
    told = [token(one) for one in logprobs]
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": told}


def token(told: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of a token."""
    return {"token": "", "bytes": [], "logprob": 0.0, "top_logprobs": [], **told}


def text_of(arguments: str) -> str:
    """What a tool that takes any text is called with: as it was asked for, or as it came."""
    try:
        found = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    text = found.get("input") if isinstance(found, dict) else None
    return text if isinstance(text, str) else arguments
