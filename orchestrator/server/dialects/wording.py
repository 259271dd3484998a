"""What the protocols that are translated have in common: events with names, and renamed places."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from experts.errors import CoterieError
from experts.sse import data_of, split_events
from orchestrator.server.bodies.answers import ErrorBody
from orchestrator.server.dialects.chat_pieces import ChatPiece, read_piece
from orchestrator.server.errors import body_of


def named_event(tree: Mapping[str, Any]) -> bytes:
    """An event that is called as its `type` says."""
    return f"event: {tree['type']}\ndata: {json.dumps(tree)}\n\n".encode()


def pieces_in(block: bytes) -> Iterator[ChatPiece | None]:
    """What each event of a block says; None for a comment, which only keeps the stream alive."""
    for event in split_events(block):
        if data := data_of(event):
            if (piece := read_piece(data)) is not None:
                yield piece
        elif event.strip():
            yield None


def renamed(error: CoterieError, places: Mapping[str, str]) -> ErrorBody:
    """The error's body with the fields of a chat called as the client calls them."""
    body = body_of(error)
    told = body["error"]
    name, rest = _field_of(told["param"] or "")
    if name not in places:
        return body
    message = re.sub(rf"\b{re.escape(name)}\b", places[name], told["message"])
    return {"error": {**told, "param": places[name] + rest, "message": message}}


def _field_of(param: str) -> tuple[str, str]:
    """The field of a path, and what stands behind it; numbers of messages are not the client's."""
    name = re.split(r"[.\[]", param, maxsplit=1)[0]
    return name, "" if name == "messages" else param[len(name) :]
