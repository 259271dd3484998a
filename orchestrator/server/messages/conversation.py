"""The messages of Anthropic's API as those of a chat. Pure."""

import json
from collections.abc import Iterator
from typing import Any

from experts.errors import RequestError
from orchestrator.server.bodies.agents.messages import (
    AnthropicMessage,
    Base64Image,
    CountTokensBody,
    ImageBlock,
    System,
    TextBlock,
    ToolResultBlock,
    ToolUseBlock,
)

_BILLING = "x-anthropic-billing-header"
"""An agent's note to Anthropic, different each time: no prompt would have a prefix in common."""
_BETWEEN = "\n\n"
_ALLOWED = {
    "user": frozenset({"text", "image", "tool_result"}),
    "assistant": frozenset({"text", "tool_use", "thinking", "redacted_thinking"}),
    "system": frozenset({"text"}),
}
_Message = dict[str, Any]


def chat_messages(body: CountTokensBody) -> list[_Message]:
    """The conversation, with all that the assistant is told beforehand in one message.

    Raises RequestError for a block that whoever says it cannot say.
    """
    messages = list(body.messages)
    for number, message in enumerate(messages):
        _check(message, f"messages[{number}].content")
    told = [*_texts(body.system)] if body.system is not None else []
    while messages and messages[0].role == "system":
        told += _said(messages.pop(0))
    found: list[_Message] = []
    if told:
        found.append({"role": "system", "content": _BETWEEN.join(told)})
    for message in messages:
        found += _MADE[message.role](message)
    if found and found[-1] == {"role": "assistant", "content": ""}:
        found.pop()  # It has only thought, and there is nothing to go on with.
    # Nothing but notes on billing is an empty question, which an expert may refuse.
    return found or [{"role": "user", "content": ""}]


def _check(message: AnthropicMessage, place: str) -> None:
    for number, block in enumerate(() if isinstance(message.content, str) else message.content):
        if block.type not in _ALLOWED[message.role]:
            where = f"{place}[{number}].type"
            known = ", ".join(sorted(_ALLOWED[message.role]))
            words = f"a message of the role {message.role} has no {block.type} (known: {known})"
            raise RequestError(f"{where}: {words}.", param=where)


def _system(message: AnthropicMessage) -> Iterator[_Message]:
    if told := _said(message):
        yield {"role": "system", "content": _BETWEEN.join(told)}


def _user(message: AnthropicMessage) -> Iterator[_Message]:
    """What came of calls, and behind it what else is said: a tool's message holds text only."""
    if isinstance(message.content, str):
        yield {"role": "user", "content": message.content}
        return
    parts: list[_Message] = []
    for block in message.content:
        if isinstance(block, ToolResultBlock):
            yield _result(block)
            parts += _images(block)
        elif isinstance(block, ImageBlock):
            parts.append(_image(block))
        elif isinstance(block, TextBlock):
            parts.append({"type": "text", "text": block.text})
    if parts:
        yield {"role": "user", "content": _plain(parts)}


def _assistant(message: AnthropicMessage) -> Iterator[_Message]:
    if isinstance(message.content, str):
        yield {"role": "assistant", "content": message.content}
        return
    text = _BETWEEN.join(b.text for b in message.content if isinstance(b, TextBlock))
    calls = [_call(block) for block in message.content if isinstance(block, ToolUseBlock)]
    if calls:
        yield {"role": "assistant", "content": text or None, "tool_calls": calls}
    else:
        yield {"role": "assistant", "content": text}


_MADE = {"system": _system, "user": _user, "assistant": _assistant}


def _said(message: AnthropicMessage) -> list[str]:
    """The texts of a message; it has no others where the assistant is told something."""
    if isinstance(message.content, str):
        return _texts(message.content)
    return _texts([block for block in message.content if isinstance(block, TextBlock)])


def _texts(told: System) -> list[str]:
    texts = [told] if isinstance(told, str) else [block.text for block in told]
    return [text for text in texts if text and not text.startswith(_BILLING)]


def _call(block: ToolUseBlock) -> _Message:
    arguments = json.dumps(block.input, ensure_ascii=False)
    function = {"name": block.name, "arguments": arguments}
    return {"id": block.id, "type": "function", "function": function}


def _result(block: ToolResultBlock) -> _Message:
    """A chat has no mark for a call that failed, so its result says so."""
    content = block.content or ""
    if not isinstance(content, str):
        content = _BETWEEN.join(one.text for one in content if isinstance(one, TextBlock))
    text = f"Error: {content}" if block.is_error else content
    return {"role": "tool", "tool_call_id": block.tool_use_id, "content": text}


def _images(block: ToolResultBlock) -> list[_Message]:
    content = block.content if isinstance(block.content, list) else []
    return [_image(one) for one in content if isinstance(one, ImageBlock)]


def _image(block: ImageBlock) -> _Message:
    source = block.source
    if isinstance(source, Base64Image):
        url = f"data:{source.media_type};base64,{source.data}"
    else:
        url = source.url
    return {"type": "image_url", "image_url": {"url": url}}


def _plain(parts: list[_Message]) -> str | list[_Message]:
    """Texts alone as one text, which every server and chat template takes."""
    if all(part["type"] == "text" for part in parts):
        return _BETWEEN.join(part["text"] for part in parts)
    return parts
