"""An answer worded as Anthropic's Messages API has it: whole, or as its events."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from pydantic_core import from_json

from experts.errors import CoterieError
from orchestrator.request.context import RequestContext
from orchestrator.server.bodies.answers import ErrorBody
from orchestrator.server.dialects.anthropic_errors import anthropic_error
from orchestrator.server.dialects.base import TellTold
from orchestrator.server.dialects.chat_pieces import TokenCounts, read_piece
from orchestrator.server.dialects.sections import Event, Section, Sections
from orchestrator.server.dialects.wording import named_event, pieces_in, renamed
from orchestrator.server.messages.reading import PLACES

_REASONS = {"length": "max_tokens", "content_filter": "refusal", "tool_calls": "tool_use"}
_PING = named_event({"type": "ping"})


class MessagesDialect:
    """The `Dialect` of one request to /v1/messages."""

    def __init__(self, asked: RequestContext) -> None:
        self._asked = asked
        self._sections = Sections()
        self._id = f"msg_{uuid4().hex}"

    def whole(self, content: bytes, told: TellTold) -> bytes:
        if (piece := read_piece(content)) is not None:
            list(self._sections.take(piece))
        blocks = [_block(section, section.text) for section in self._sections.all]
        return json.dumps(self._message(blocks, **self._end(), coterie=told())).encode()

    def opening(self, told: TellTold) -> bytes:
        explained = {"coterie": told()} if self._asked.options.explain else {}
        # Chats tell their costs at the end only.
        message = self._message([], stop_reason=None, stop_sequence=None, **explained)
        return named_event({"type": "message_start", "message": message}) + _PING

    def piece(self, piece: bytes) -> bytes:
        return b"".join(self._worded(piece))

    def closing(self, told: TellTold) -> bytes:
        ends = b"".join(map(_event, self._sections.end()))
        usage = _usage(self._sections.counts)
        last = {"type": "message_delta", "delta": self._end(), "usage": usage, "coterie": told()}
        return ends + named_event(last) + named_event({"type": "message_stop"})

    def broken(self, error: CoterieError) -> bytes:
        return named_event(anthropic_error(self.refusal(error), self._asked.id))

    def refusal(self, error: CoterieError) -> ErrorBody:
        """`AnthropicGate` gives it the shape that Anthropic's errors have."""
        return renamed(error, PLACES)

    def _worded(self, block: bytes) -> Iterator[bytes]:
        for piece in pieces_in(block):
            if piece is None:
                yield _PING
            else:
                yield from map(_event, self._sections.take(piece))

    def _message(self, content: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._asked.model,
            "content": content,
            **more,
            "usage": _usage(self._sections.counts),
        }

    def _end(self) -> dict[str, str | None]:
        """Why the answer ends: a call that is whole goes before a text that has ended it."""
        finish, stop = self._sections.finish, self._sections.stop
        reason = _REASONS.get(finish or "", "end_turn")
        asked = self._asked.request.body.get("stop") or ()
        if reason == "end_turn" and any(one.kind == "call" for one in self._sections.all):
            reason = "tool_use"  # VLLM says `stop` where a tool was demanded.
        elif reason == "end_turn" and stop in asked:
            return {"stop_reason": "stop_sequence", "stop_sequence": stop}
        return {"stop_reason": reason, "stop_sequence": None}


def _event(event: Event) -> bytes:
    section = event.section
    if event.change == "begin":
        started = _block(section, "")
        return named_event(
            {"type": "content_block_start", "index": section.place, "content_block": started}
        )
    if event.change == "grow":
        delta = _delta(section, event.text)
        return named_event({"type": "content_block_delta", "index": section.place, "delta": delta})
    return named_event({"type": "content_block_stop", "index": section.place})


def _block(section: Section, text: str) -> dict[str, Any]:
    if section.kind == "text":
        return {"type": "text", "text": text}
    if section.kind == "reasoning":
        # Nobody has signed it: clients want the field.
        return {"type": "thinking", "thinking": text, "signature": ""}
    return {"type": "tool_use", "id": section.id, "name": section.name, "input": _input(text)}


def _delta(section: Section, text: str) -> dict[str, Any]:
    if section.kind == "text":
        return {"type": "text_delta", "text": text}
    if section.kind == "reasoning":
        return {"type": "thinking_delta", "thinking": text}
    return {"type": "input_json_delta", "partial_json": text}


def _input(arguments: str) -> dict[str, Any]:
    """The arguments as an object: of a call that was cut off, or miswritten, what is there."""
    try:
        found = from_json(arguments, allow_partial=True)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _usage(counts: TokenCounts) -> dict[str, int]:
    """Anthropic counts what was found in a cache by itself."""
    return {
        "input_tokens": counts.prompt - counts.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": counts.cached,
        "output_tokens": counts.completion,
    }
