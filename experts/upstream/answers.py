"""What experts send in OpenAI's format: any bytes in, typed chunks or that expert's error out."""

import json
import math
from collections.abc import AsyncIterator
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from experts.errors import BadOutput, ExpertError, ExpertLost
from experts.sse import DONE, MAX_EVENT_BYTES, EventParser, data_of, split_events
from experts.types import Chunk, Usage
from experts.upstream.refusals import Asked, told_error

JSON = "application/json"
EVENT_STREAM = "text/event-stream"
ERROR_KEY = b'"error"'
"""What every event has that tells an error, and hardly another one: in a text it is escaped."""
MAX_BODY_BYTES = MAX_EVENT_BYTES
"""A whole answer that is larger is not read to its end."""

_USAGE_KEY = b'"usage"'
_USAGE_BYTES = 4096
"""A usage object is small; what is larger is something else."""
_MOST_TOKENS = 1 << 53
_SHOWN = 80

Secrets = tuple[str, ...]
"""What must not be told to a client."""


class _Tolerant(BaseModel):
    """What we read of an expert's answer; the rest is its own business."""


class _Token(_Tolerant):
    logprob: float | None = None


class _Logprobs(_Tolerant):
    content: list[_Token] | None = None
    """Of chat completions."""
    token_logprobs: list[float | None] | None = None
    """Of completions."""


class _Part(_Tolerant):
    text: str | None = None


class _Said(_Tolerant):
    content: Annotated[str | list[_Part | str] | None, Field(union_mode="left_to_right")] = None

    @property
    def text(self) -> str:
        """The text, which may come in parts."""
        if not isinstance(self.content, list):
            return self.content or ""
        return "".join(p if isinstance(p, str) else p.text or "" for p in self.content)


class _Choice(_Tolerant):
    delta: _Said | None = None
    message: _Said | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: Any = None

    @property
    def said(self) -> str:
        """The text of this choice, in whatever of the operations' formats."""
        said = self.delta or self.message
        return said.text if said is not None else self.text or ""


class _Answer(_Tolerant):
    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None


def parse_chunk(expert: str, data: bytes, secrets: Secrets = ()) -> Chunk:
    """The data of one event, or a whole answer, as a chunk.

    Raises BadOutput for anything that is not OpenAI's format, and for an error what
    `refusals.told_error` makes of it.
    """
    event = _parsed(expert, data, "the event", secrets)
    usage = read_usage(event.usage)
    if not event.choices:
        return Chunk("", None, usage)
    choice = event.choices[0]
    return Chunk(choice.said, choice.finish_reason, usage, _logprobs(choice.logprobs))


def check_whole(expert: str, content_type: str, content: bytes, secrets: Secrets = ()) -> None:
    """Raise the expert's error for a body that is not an answer in OpenAI's format."""
    if not content.strip():
        raise BadOutput(f"Expert {expert} sent an empty answer.", expert=expert)
    if not content_type.startswith(JSON):
        shown = " ".join(content_type.split())[:_SHOWN] or "something"
        raise BadOutput(f"Expert {expert} sent {shown} instead of JSON.", expert=expert)
    answer = _parsed(expert, content, "the body", secrets)
    if not answer.choices:
        raise BadOutput(f"Expert {expert} sent an answer without choices.", expert=expert)


async def read_body(expert: str, pieces: AsyncIterator[bytes]) -> bytes:
    """A whole body. Raises BadOutput for one that is too large."""
    read: list[bytes] = []
    size = 0
    async for piece in pieces:
        size += len(piece)
        if size > MAX_BODY_BYTES:
            raise BadOutput(f"Expert {expert} sent an answer that does not end.", expert=expert)
        read.append(piece)
    return b"".join(read)


async def read_whole(
    expert: str, content_type: str, pieces: AsyncIterator[bytes], secrets: Secrets = ()
) -> bytes:
    """A whole answer. Raises the expert's error where the body is none in OpenAI's format."""
    content = await read_body(expert, pieces)
    check_whole(expert, content_type, content, secrets)
    return content


async def read_beginning(expert: str, blocks: AsyncIterator[bytes], secrets: Secrets = ()) -> bytes:
    """The bytes of a stream up to the block with its first event; blocks are whole events.

    Raises the expert's error where that is none in OpenAI's format, or where none comes.
    """
    read = bytearray()
    parser = EventParser()
    async for block in blocks:
        read += block
        for data in filter(None, parser.feed(block)):
            _check_first(expert, data, secrets)
            return bytes(read)
        if len(read) > MAX_EVENT_BYTES:
            raise BadOutput(f"Expert {expert} sent comments without end.", expert=expert)
    for data in filter(None, parser.end()):
        _check_first(expert, data, secrets)
        return bytes(read)
    if not read:
        raise ExpertLost(f"Expert {expert} sent no answer.", expert=expert)
    raise BadOutput(f"Expert {expert} sent a stream without events.", expert=expert)


def _check_first(expert: str, data: bytes, secrets: Secrets) -> None:
    if data != DONE:
        parse_chunk(expert, data, secrets)


def sound_part(
    expert: str, block: bytes, secrets: Secrets = ()
) -> tuple[bytes, ExpertError | None]:
    """Of a block of events: the bytes before the one that tells an error, and that error.

    Blocks without `ERROR_KEY` that end as an event does need not be looked at. A last event
    without its end is left out, unless it is whole all the same.
    """
    good = 0
    for event in split_events(block):
        data = data_of(event)
        cut = not event.endswith((b"\n", b"\r"))
        if data != DONE and (cut or ERROR_KEY in data):
            try:
                parse_chunk(expert, data, secrets)
            except ExpertError as error:
                return block[:good], None if cut and isinstance(error, BadOutput) else error
        good += len(event)
    return block, None


def _parsed(expert: str, data: bytes, what: str, secrets: Secrets) -> _Answer:
    try:
        answer = _Answer.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or what
        raise BadOutput(
            f"Expert {expert} sent what is not OpenAI's format ({place}: {first['msg']}).",
            expert=expert,
        ) from error
    if answer.error:
        raise told_error(Asked(expert, secrets), answer.error)
    return answer


def read_usage(told: Any) -> Usage | None:
    """The usage that an answer tells; None for what is no usage.

    It is a hint for budgets, logs and metrics: an answer is not worse for an odd one.
    """
    if not isinstance(told, dict):
        return None
    counts = [told.get(name) for name in ("prompt_tokens", "completion_tokens")]
    if counts == [None, None]:
        return None
    for count in counts:
        number = isinstance(count, int) and not isinstance(count, bool)
        if count is not None and not (number and 0 <= count < _MOST_TOKENS):
            return None
    return Usage(*(count or 0 for count in counts))


def _logprobs(told: Any) -> tuple[float, ...]:
    """Of the tokens of a piece, in either operation's format; none where they are odd."""
    if told is None:
        return ()
    try:
        logprobs = _Logprobs.model_validate(told)
    except ValidationError:
        return ()
    if logprobs.content:
        found = [token.logprob for token in logprobs.content]
    else:
        found = logprobs.token_logprobs or []
    return tuple(value for value in found if value is not None and math.isfinite(value))


def usage_in(piece: bytes) -> Usage | None:
    """The usage in a body, or in a piece of a stream, if it has one.

    It is a hint for logs and metrics: one that is cut in two, or odd, is not found.
    """
    at = piece.rfind(_USAGE_KEY)
    if at < 0:
        return None
    rest = piece[at + len(_USAGE_KEY) : at + _USAGE_BYTES].lstrip().removeprefix(b":").lstrip()
    try:
        told, _ = json.JSONDecoder().raw_decode(rest.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return read_usage(told)
