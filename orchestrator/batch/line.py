"""A line of a batch: what is asked, and what came of it, as OpenAI writes both."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from experts.errors import RequestError
from experts.files.json_object import MOST_DEPTH, read_object

KEYS = ("custom_id", "method", "url", "body")
ENDPOINTS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings")


@dataclass(frozen=True, slots=True)
class Line:
    """What a line asks for."""

    custom_id: str
    url: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a line: an answer with its status, or a mistake that nobody was asked for."""

    custom_id: str | None
    status: int = 0
    request_id: str = ""
    body: Any = None
    error: Mapping[str, Any] | None = None

    @property
    def answered(self) -> bool:
        """Whether it belongs into the file of answers."""
        return self.status == 200

    def to_record(self, batch: str, number: int) -> bytes:
        """The line of the output, with what tells it from an error before it."""
        digest = sha256(f"{batch} {number}".encode()).hexdigest()
        response = {"status_code": self.status, "request_id": self.request_id, "body": self.body}
        line = {
            "id": f"batch_req_{digest[:32]}",
            "custom_id": self.custom_id,
            "response": response if self.status else None,
            "error": self.error,
        }
        mark = ANSWER if self.answered else MISTAKE
        return mark + json.dumps(line, ensure_ascii=True).encode()


ANSWER, MISTAKE = b"+", b"-"
_BEGINS = re.compile(rb'\s*\{\s*"custom_id"\s*:\s*"(?P<id>[ !#-\[\]-~]+)"')


def custom_id_of(raw: bytes) -> str | None:
    """The id of a line that is wrong elsewhere; None where it has none that can be read."""
    try:
        entry = json.loads(raw)
    except (ValueError, RecursionError):  # Most lines begin with it, whatever comes then.
        begins = _BEGINS.match(raw)
        entry = {"custom_id": begins["id"].decode()} if begins is not None else None
    found = entry.get("custom_id") if isinstance(entry, dict) else None
    return found if isinstance(found, str) and found else None


def parse_entry(raw: bytes) -> dict[str, Any]:
    """The object of a line, whatever is in it. Raises RequestError."""
    # The body in it may be as deep as that of a request.
    return read_object(raw, "This line", MOST_DEPTH + 1)


def line_of(entry: Mapping[str, Any], urls: Sequence[str] = ENDPOINTS) -> Line:
    """Raises RequestError, whose `param` is the key that is wrong."""
    if "body" not in entry and "model" in entry:
        raise RequestError(
            "This is the body of a request: a line has `custom_id`, `method`, `url`, and that as"
            " its `body`.",
            param=None,
        )
    if unknown := [key for key in entry if key not in KEYS]:
        raise RequestError(f"Unknown key `{unknown[0]}` (known: {', '.join(KEYS)}).", param=None)
    custom_id, url, body = entry.get("custom_id"), entry.get("url"), entry.get("body")
    if not isinstance(custom_id, str) or not custom_id:
        raise RequestError("`custom_id` must be a non-empty string.", param="custom_id")
    if entry.get("method") != "POST":
        raise RequestError("`method` must be POST.", param="method")
    if not isinstance(url, str) or url not in urls:
        one = f"that of the batch, {urls[0]}" if len(urls) == 1 else f"one of {', '.join(urls)}"
        raise RequestError(f"`url` must be {one}.", param="url")
    if not isinstance(body, dict):
        raise RequestError("`body` must be a JSON object.", param="body")
    if body.get("stream"):
        raise RequestError("A line of a batch cannot be streamed.", param="body.stream")
    return Line(custom_id, url, body)


def parse_line(raw: bytes, endpoint: str) -> Line:
    """A line of a batch for one endpoint. Raises RequestError."""
    return line_of(parse_entry(raw), (endpoint,))


def too_long(most_mb: float) -> RequestError:
    """The error of a line that is longer than `batches.max_line_mb`."""
    return RequestError(f"The line is longer than {most_mb:g} MB (batches.max_line_mb).")


def mistake(error: RequestError, custom_id: str | None, number: int) -> Result:
    """The error line of a line that nobody was asked for."""
    told = {"code": error.code, "message": error.message, "param": error.param, "line": number}
    return Result(custom_id, error=told)
