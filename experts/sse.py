"""The border to what experts send: any bytes in, typed chunks or BadOutput out."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from pydantic import BaseModel, ValidationError

from experts.errors import BadOutput, ExpertRefused
from experts.types import Chunk, Usage

DONE = b"[DONE]"
JSON = "application/json"
MAX_EVENT_BYTES = 64 << 20
"""An event that is larger is not waited for: it would fill the gateway's memory."""

_USAGE_KEY = b'"usage"'
_USAGE_BYTES = 4096
"""A usage object is small; what is larger is something else."""


async def events(expert: str, pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The data of each event; `pieces` may be cut anywhere, lines may end with LF, CRLF or CR.

    An event that the stream's end cuts off still counts: some servers send no last empty line.
    Raises BadOutput for an event without end.
    """
    buffer = b""
    async for piece in pieces:
        buffer += piece
        if b"\r" in buffer:
            # A CR at the end may be half of a CRLF.
            held = b"\r" if buffer.endswith(b"\r") else b""
            whole = buffer[: len(buffer) - len(held)]
            buffer = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n") + held
        *blocks, buffer = buffer.split(b"\n\n")
        for block in blocks:
            if data := _data(block):
                yield data
        if len(buffer) > MAX_EVENT_BYTES:
            raise BadOutput(f"Expert {expert} sent an event that does not end.", expert=expert)
    if data := _data(buffer.replace(b"\r", b"\n")):
        yield data


def _data(block: bytes) -> bytes:
    lines = [line[5:] for line in block.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(line.removeprefix(b" ") for line in lines)


class _Tolerant(BaseModel):
    """What we read of an expert's answer; the rest is its own business."""


class _Usage(_Tolerant):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Token(_Tolerant):
    logprob: float | None = None


class _Logprobs(_Tolerant):
    content: list[_Token] | None = None
    """Of chat completions."""
    token_logprobs: list[float | None] | None = None
    """Of completions."""


class _Delta(_Tolerant):
    content: str | None = None


class _Choice(_Tolerant):
    delta: _Delta | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Answer(_Tolerant):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


def parse_chunk(expert: str, data: bytes) -> Chunk:
    """The data of one event as a chunk.

    Raises ExpertRefused for an error event, BadOutput for anything that is not OpenAI's format.
    """
    event = _parsed(expert, data, "the event")
    usage = _counted(event.usage)
    if not event.choices:
        return Chunk("", None, usage)
    choice = event.choices[0]
    text = choice.delta.content if choice.delta is not None else choice.text
    return Chunk(text or "", choice.finish_reason, usage, _logprobs(choice.logprobs))


def _parsed(expert: str, data: bytes, what: str) -> _Answer:
    try:
        answer = _Answer.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or what
        raise BadOutput(
            f"Expert {expert} sent what is not OpenAI's format ({place}: {first['msg']}).",
            expert=expert,
        ) from error
    if answer.error is not None:
        raise refusal(expert, told_status(answer.error), answer.error)
    return answer


def _counted(usage: _Usage | None) -> Usage | None:
    if usage is None:
        return None
    return Usage(usage.prompt_tokens or 0, usage.completion_tokens or 0)


def check_whole(expert: str, content_type: str, content: bytes) -> None:
    """Raise BadOutput, or ExpertRefused, for a body that is not an answer in OpenAI's format."""
    if not content_type.startswith(JSON):
        raise BadOutput(
            f"Expert {expert} sent {content_type or 'something'} instead of JSON.", expert=expert
        )
    answer = _parsed(expert, content, "the body")
    if not answer.choices:
        raise BadOutput(f"Expert {expert} sent an answer without choices.", expert=expert)


def told_status(error: Any) -> int:
    """The status that an error within a stream tells as its code, as vLLM does; 502 for none."""
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and 400 <= code < 600 else 502


def refusal(expert: str, status: int, error: Any) -> ExpertRefused:
    """The error that an expert sent, whatever shape it has, as ours."""
    body = error if isinstance(error, dict) else {"message": str(error)}
    message = body.get("message")
    said = str(message) if message else f"Expert {expert} answered with status {status}."
    return ExpertRefused(said, expert=expert, status=status, body=body)


def _logprobs(logprobs: _Logprobs | None) -> tuple[float, ...]:
    """Of the tokens of a piece, in either operation's format."""
    if logprobs is None:
        return ()
    if logprobs.content:
        found = [token.logprob for token in logprobs.content]
    else:
        found = logprobs.token_logprobs or []
    return tuple(value for value in found if value is not None)


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
    if not isinstance(told, dict):
        return None
    counts = [told.get("prompt_tokens"), told.get("completion_tokens", 0)]
    if not all(isinstance(count, int) and not isinstance(count, bool) for count in counts):
        return None
    return Usage(*counts)
