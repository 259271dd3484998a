"""The items of a conversation as the messages of a chat. Pure."""

from typing import Any

from experts.errors import RequestError
from orchestrator.server.bodies.agents.response_items import (
    CallOutputItem,
    CustomCallItem,
    FunctionCallItem,
    ImagePart,
    Item,
    MessageItem,
    RefusalPart,
    TextPart,
)
from orchestrator.server.bodies.agents.responses import ResponsesBody
from orchestrator.server.responses.tools import call_of

_BETWEEN = "\n\n"
_TELLING = ("system", "developer")
_Message = dict[str, Any]


def chat_messages(body: ResponsesBody) -> list[_Message]:
    """The conversation, with all that the assistant is told beforehand in one message.

    Raises RequestError for an image of somebody else than the user.
    """
    items: list[Item] = []
    if isinstance(body.input, str):
        items.append(MessageItem(role="user", content=body.input))
    else:
        items += body.input
    for number, item in enumerate(items):
        _check(item, f"input[{number}].content")
    told = [body.instructions] if body.instructions else []
    while items and isinstance(first := items[0], MessageItem) and first.role in _TELLING:
        told.append(_text(first))
        items.pop(0)
    found: list[_Message] = []
    if told:
        found.append({"role": "system", "content": _BETWEEN.join(told)})
    for item in items:
        _add(found, item)
    # Nothing but reasoning is an empty question, which an expert may refuse.
    return found or [{"role": "user", "content": ""}]


def _check(item: Item, place: str) -> None:
    if isinstance(item, MessageItem) and item.role != "user":
        for number, part in enumerate(() if isinstance(item.content, str) else item.content):
            if isinstance(part, ImagePart):
                where = f"{place}[{number}].type"
                raise RequestError(f"{where}: only the user can show an image.", param=where)


def _add(found: list[_Message], item: Item) -> None:
    """Calls that stand in a row, and the text before them, are one message of a chat."""
    if isinstance(item, FunctionCallItem | CustomCallItem):
        if not found or found[-1]["role"] != "assistant":
            found.append({"role": "assistant", "content": None})
        found[-1].setdefault("tool_calls", []).append(call_of(item))
    elif isinstance(item, CallOutputItem):
        found += _output(item)
    elif isinstance(item, MessageItem):
        # Chat templates know no developers.
        role = "system" if item.role == "developer" else item.role
        content = _content(item) if role == "user" else _text(item)
        found.append({"role": role, "content": content})


def _output(item: CallOutputItem) -> list[_Message]:
    """What came of a call; images stand behind it: a tool's message holds text only."""
    if isinstance(item.output, str):
        return [{"role": "tool", "tool_call_id": item.call_id, "content": item.output}]
    text = _BETWEEN.join(part.text for part in item.output if isinstance(part, TextPart))
    images = [_image(part) for part in item.output if isinstance(part, ImagePart)]
    behind = [{"role": "user", "content": images}] if images else []
    return [{"role": "tool", "tool_call_id": item.call_id, "content": text}, *behind]


def _content(item: MessageItem) -> str | list[_Message]:
    """Texts alone are one text, which every server and chat template takes."""
    if isinstance(item.content, str) or not any(isinstance(p, ImagePart) for p in item.content):
        return _text(item)
    return [
        _image(part) if isinstance(part, ImagePart) else {"type": "text", "text": _said(part)}
        for part in item.content
    ]


def _text(item: MessageItem) -> str:
    if isinstance(item.content, str):
        return item.content
    return _BETWEEN.join(_said(part) for part in item.content if not isinstance(part, ImagePart))


def _said(part: TextPart | RefusalPart) -> str:
    return part.refusal if isinstance(part, RefusalPart) else part.text


def _image(part: ImagePart) -> _Message:
    # Chats know no `original`.
    detail = {"detail": part.detail} if part.detail in ("auto", "low", "high") else {}
    return {"type": "image_url", "image_url": {"url": part.image_url, **detail}}
