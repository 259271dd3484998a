"""What experts send in OpenAI's format: any bytes in, typed chunks or that expert's error out."""

import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from experts.errors import BadOutput
from experts.sse import MAX_EVENT_BYTES
from experts.types import Chunk, Usage
from experts.upstream.refusals import Asked, told_error
from experts.upstream.shapes import AnyAnswer, Counts, Secrets

JSON = "application/json"
EVENT_STREAM = "text/event-stream"
MAX_BODY_BYTES = MAX_EVENT_BYTES
"""A whole answer that is larger is not read to its end."""

_DECODER = json.JSONDecoder()
_USAGE_KEY = b'"usage"'
_PLAIN_USAGE = re.compile(
    rb'"usage": ?\{"prompt_tokens": ?(\d{1,15}),(?: ?"total_tokens": ?\d{1,15},)?'
    rb' ?"completion_tokens": ?(\d{1,15})(?:, ?"total_tokens": ?\d{1,15})?[,}]'
)
"""As nearly all servers write it."""
_USAGE_BYTES = 4096
"""A usage object is small; what is larger is something else."""
_SHOWN = 80
_HALF_PAIR = re.compile(rb"(\\\\|\\u[dD][89abAB]..\\u[dD][c-fC-F]..)|\\u[dD][89a-fA-F]..")
_Shape = TypeVar("_Shape", bound=BaseModel)
_BOM = b"\xef\xbb\xbf"


def choices_of(body: Mapping[str, Any]) -> int:
    """How many choices a request asks for: `n` for each of its prompts."""
    n = body.get("n")
    several = n if isinstance(n, int) and n > 1 else 1
    return several * inputs_of(body.get("prompt"))


def inputs_of(told: Any) -> int:
    """How many inputs a text, token ids, or a list of either are; at least one."""
    several = isinstance(told, list) and bool(told) and not isinstance(told[0], int)
    return len(told) if several else 1


def parse_chunk(expert: str, data: bytes, secrets: Secrets = (), count: int = 1) -> Chunk:
    """The data of one event, or a whole answer of `count` choices, as a chunk: of the first choice.

    Raises BadOutput for anything that is not OpenAI's format, and for an error what
    `refusals.told_error` makes of it.
    """
    return _chunk(answer_of(expert, data, "the event", secrets, count))


def _chunk(event: AnyAnswer) -> Chunk:
    usage = _usage(event.usage) if event.usage else None
    choice = next((one for one in event.choices or () if not one.index), None)
    if choice is None:
        return Chunk("", None, usage)
    logprobs = choice.logprobs.values if choice.logprobs else ()
    return Chunk(choice.said, choice.finish_reason, usage, logprobs)


def parsed(shape: type[_Shape], expert: str, data: bytes, what: str) -> _Shape:
    """The JSON of an expert in that shape. Raises BadOutput; `what` names the whole of it."""
    try:
        return _read(shape, data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or what
        reason = f"{place}: {first['msg']}"
    except ValueError as error:
        reason = f"{what}: {error}"
    raise BadOutput(f"Expert {expert} sent what is not OpenAI's format ({reason}).", expert=expert)


def answer_of(
    expert: str, data: bytes, what: str, secrets: Secrets = (), count: int = 1
) -> AnyAnswer:
    """An answer, or an event, of at most `count` choices with indices below that.

    Raises BadOutput for anything else, and for an error what `refusals.told_error` makes of it.
    """
    answer = parsed(AnyAnswer, expert, data, what)
    if answer.error:
        raise told_error(Asked(expert, secrets), answer.error)
    # A client that reads the first choice only would take another one for its own.
    choices = answer.choices or ()
    if len(choices) > count or any((choice.index or 0) >= count for choice in choices):
        raise BadOutput(
            f"Expert {expert} sent a choice that was not asked for: {count} were.", expert=expert
        )
    return answer


def check_whole(
    expert: str, content_type: str, content: bytes, secrets: Secrets = (), count: int = 1
) -> AnyAnswer:
    """The answer of a body. Raises the expert's error where it is none of `count` choices."""
    check_json(expert, content_type, content)
    answer = answer_of(expert, content, "the body", secrets, count)
    if not answer.choices:
        raise BadOutput(f"Expert {expert} sent an answer without choices.", expert=expert)
    for choice in answer.choices:
        if choice.message is None and choice.text is None:
            raise BadOutput(
                f"Expert {expert} sent a choice without `message` or `text`.", expert=expert
            )
    return answer


def check_json(expert: str, content_type: str, content: bytes) -> None:
    """Raise BadOutput for a body that is empty, or of another type."""
    if not content.strip():
        raise BadOutput(f"Expert {expert} sent an empty answer.", expert=expert)
    if not content_type.startswith(JSON):
        shown = " ".join(content_type.split())[:_SHOWN] or "something"
        raise BadOutput(f"Expert {expert} sent {shown} instead of JSON.", expert=expert)


async def read_body(expert: str, pieces: AsyncIterator[bytes]) -> bytes:
    """A whole body, less a byte order mark. Raises BadOutput for one that is too large."""
    read: list[bytes] = []
    size = 0
    async for piece in pieces:
        size += len(piece)
        if size > MAX_BODY_BYTES:
            raise BadOutput(f"Expert {expert} sent an answer that does not end.", expert=expert)
        read.append(piece)
    return b"".join(read).removeprefix(_BOM)


async def read_whole(
    expert: str,
    content_type: str,
    pieces: AsyncIterator[bytes],
    secrets: Secrets = (),
    count: int = 1,
) -> bytes:
    """A whole answer. Raises the expert's error where the body is none in OpenAI's format."""
    content = await read_body(expert, pieces)
    check_whole(expert, content_type, content, secrets, count)
    return content


async def whole_chunk(
    expert: str,
    content_type: str,
    pieces: AsyncIterator[bytes],
    secrets: Secrets = (),
    count: int = 1,
) -> Chunk:
    """A whole answer as a chunk: of the first choice. Raises as `read_whole` does."""
    content = await read_body(expert, pieces)
    return _chunk(check_whole(expert, content_type, content, secrets, count))


def usage_in(piece: bytes) -> Usage | None:
    """The usage in a body, or in a piece of a stream, if it has one.

    It is a hint for logs and metrics: one that is cut in two, or odd, is not found.
    """
    at = piece.rfind(_USAGE_KEY)
    if at < 0:
        return None
    if (found := _PLAIN_USAGE.match(piece, at)) is not None:
        return Usage(int(found[1]), int(found[2]))
    rest = piece[at + len(_USAGE_KEY) : at + _USAGE_BYTES].lstrip().removeprefix(b":").lstrip()
    try:
        told, _ = _DECODER.raw_decode(rest.decode("utf-8", "replace"))
        return _usage(Counts.model_validate(told))
    except (ValueError, RecursionError):
        return None


def _read(shape: type[_Shape], data: bytes) -> _Shape:
    """Raises ValidationError for the wrong shape, and ValueError for numbers that JSON lacks."""
    if b"\\ud" in data or b"\\uD" in data:
        # Half a pair is JSON all the same: a server may cut an emoji in two events.
        data = _HALF_PAIR.sub(lambda found: found[1] or rb"\ufffd", data)
    found = shape.model_validate_json(data)
    if b"NaN" in data or b"Infinity" in data:
        from_json(data, allow_inf_nan=False)
    return found


def _usage(counts: Counts) -> Usage | None:
    """None where neither count is told."""
    prompt, completion = counts.prompt_tokens, counts.completion_tokens
    return None if prompt is completion is None else Usage(prompt or 0, completion or 0)
