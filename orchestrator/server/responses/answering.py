"""An answer worded as OpenAI's Responses API has it: whole, or as its events."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

from experts.errors import CoterieError
from orchestrator.request.context import RequestContext
from orchestrator.server.bodies.answers import ErrorBody
from orchestrator.server.dialects.base import TellTold
from orchestrator.server.dialects.chat_pieces import TokenCounts, read_piece
from orchestrator.server.dialects.sections import Event, Section, Sections
from orchestrator.server.dialects.wording import named_event, pieces_in, renamed
from orchestrator.server.errors import status_of
from orchestrator.server.responses.items import PART, Items, part, token
from orchestrator.server.responses.reading import PLACES
from orchestrator.server.responses.tools import Tool

_CUT = {"length": "max_output_tokens", "content_filter": "content_filter"}
_COMMENT = b": \n\n"
_BAD_REQUEST, _TOO_MANY, _SERVERS = 400, 429, 500
Tree = dict[str, Any]


class ResponsesDialect:
    """The `Dialect` of one request to /v1/responses."""

    def __init__(
        self, asked: RequestContext, repeated: Mapping[str, Any], tools: Mapping[str, Tool]
    ) -> None:
        """`repeated` are the fields of the request that its answer has, too."""
        self._asked = asked
        self._repeated = repeated
        self._sections = Sections()
        self._items = Items(tools)
        self._id = f"resp_{uuid4().hex}"
        self._created = int(time.time())
        self._number = -1

    def whole(self, content: bytes, told: TellTold) -> bytes:
        if (piece := read_piece(content)) is not None:
            list(self._sections.take(piece))
        list(self._sections.end())
        return json.dumps(self._response(self._status, coterie=told())).encode()

    def opening(self, told: TellTold) -> bytes:
        explained = {"coterie": told()} if self._asked.options.explain else {}
        begun = self._response("in_progress", **explained)
        return self._event("response.created", response=begun) + self._event(
            "response.in_progress", response=begun
        )

    def piece(self, piece: bytes) -> bytes:
        return b"".join(self._worded(piece))

    def closing(self, told: TellTold) -> bytes:
        ends = b"".join(self._changed(event) for event in self._sections.end())
        status = self._status
        return ends + self._event(
            f"response.{status}", response=self._response(status, coterie=told())
        )

    def broken(self, error: CoterieError) -> bytes:
        told = self.refusal(error)["error"]
        if self._number < 0:
            named = {name: told[name] for name in ("code", "message", "param")}
            return self._event("error", **named)
        failed = {"code": _code(status_of(error)), "message": told["message"]}
        return self._event("response.failed", response=self._response("failed", error=failed))

    def refusal(self, error: CoterieError) -> ErrorBody:
        return renamed(error, PLACES)

    @property
    def _status(self) -> str:
        return "incomplete" if self._sections.finish in _CUT else "completed"

    def _worded(self, block: bytes) -> Iterator[bytes]:
        for piece in pieces_in(block):
            if piece is None:
                yield _COMMENT
            else:
                yield from map(self._changed, self._sections.take(piece))

    def _changed(self, event: Event) -> bytes:
        section = event.section
        place = {"item_id": self._items.id_of(section), "output_index": section.place}
        if event.change == "begin":
            return self._begun(section, place)
        if event.change == "grow":
            return self._grown(event, place)
        return self._ended(section, place)

    def _begun(self, section: Section, place: Tree) -> bytes:
        item = self._items.item(section, "in_progress", empty=True)
        added = self._event("response.output_item.added", output_index=section.place, item=item)
        if section.kind == "call":
            return added
        empty = part(section.kind, "")
        return added + self._event(
            "response.content_part.added", **place, content_index=0, part=empty
        )

    def _grown(self, event: Event, place: Tree) -> bytes:
        kind = event.section.kind
        if kind != "call":
            more = {"logprobs": [token(one) for one in event.logprobs]} if kind == "text" else {}
            name = f"response.{PART[kind]}.delta"
            return self._event(name, **place, content_index=0, delta=event.text, **more)
        if self._items.tool_of(event.section).takes_text:
            return b""  # What it is called with is known when all of it is there.
        return self._event("response.function_call_arguments.delta", **place, delta=event.text)

    def _ended(self, section: Section, place: Tree) -> bytes:
        item = self._item(section)
        if section.kind == "call":
            done = self._called(item, place)
        else:
            (content,) = item["content"]
            more = {"logprobs": content["logprobs"]} if section.kind == "text" else {}
            name = f"response.{PART[section.kind]}.done"
            done = self._event(name, **place, content_index=0, text=section.text, **more)
            done += self._event(
                "response.content_part.done", **place, content_index=0, part=content
            )
        return done + self._event(
            "response.output_item.done", output_index=section.place, item=item
        )

    def _called(self, item: Tree, place: Tree) -> bytes:
        if item["type"] == "function_call":
            told = {"name": item["name"], "arguments": item["arguments"]}
            return self._event("response.function_call_arguments.done", **place, **told)
        name = "response.custom_tool_call_input"
        delta = self._event(f"{name}.delta", **place, delta=item["input"])
        return delta + self._event(f"{name}.done", **place, input=item["input"])

    def _item(self, section: Section) -> Tree:
        """The item as it has ended: of an answer that was cut off, the last one is not whole."""
        sections = self._sections
        cut = sections.over and sections.finish in _CUT and section is sections.all[-1]
        whole = section.ended and not cut
        return self._items.item(section, "completed" if whole else "incomplete")

    def _event(self, name: str, /, **more: Any) -> bytes:
        self._number += 1
        return named_event({"type": name, "sequence_number": self._number, **more})

    def _response(self, status: str, **more: Any) -> Tree:
        over = status in ("completed", "incomplete")
        reason = _CUT.get(self._sections.finish or "")
        cut = {"reason": reason} if over and reason is not None else None
        return {
            **self._repeated,
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "completed_at": int(time.time()) if status == "completed" else None,
            "status": status,
            "model": self._asked.model,
            "output": [self._item(one) for one in self._sections.all],
            "usage": _usage(self._sections.counts) if over else None,
            "incomplete_details": cut,
            "error": None,
            **more,
        }


def _code(status: int) -> str:
    """One of the codes that OpenAI has for answers that have failed."""
    if status == _TOO_MANY:
        return "rate_limit_exceeded"
    return "invalid_prompt" if _BAD_REQUEST <= status < _SERVERS else "server_error"


def _usage(counts: TokenCounts) -> Tree:
    return {
        "input_tokens": counts.prompt,
        "input_tokens_details": {"cached_tokens": counts.cached, "cache_write_tokens": 0},
        "output_tokens": counts.completion,
        "output_tokens_details": {"reasoning_tokens": counts.reasoning},
        "total_tokens": counts.prompt + counts.completion,
    }
