"""A line of a batch: what is asked, and what came of it, as OpenAI writes both."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from experts.errors import RequestError
from experts.files.json_object import MOST_DEPTH, read_object

KEYS = ("custom_id", "method", "url", "body")


@dataclass(frozen=True, slots=True)
class Line:
    """What a line asks for."""

    custom_id: str
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


def custom_id_of(raw: bytes) -> str | None:
    """The id of a line that is wrong elsewhere; None where it has none that can be read."""
    try:
        entry = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    found = entry.get("custom_id") if isinstance(entry, dict) else None
    return found if isinstance(found, str) and found else None


def parse_line(raw: bytes, endpoint: str) -> Line:
    """Raises RequestError, whose `param` is the key that is wrong."""
    # The body in it may be as deep as that of a request.
    entry = read_object(raw, "This line", MOST_DEPTH + 1)
    if unknown := [key for key in entry if key not in KEYS]:
        raise RequestError(f"Unknown key `{unknown[0]}` (known: {', '.join(KEYS)}).", param=None)
    custom_id, body = entry.get("custom_id"), entry.get("body")
    if not isinstance(custom_id, str) or not custom_id:
        raise RequestError("`custom_id` must be a non-empty string.", param="custom_id")
    if entry.get("method") != "POST":
        raise RequestError("`method` must be POST.", param="method")
    if entry.get("url") != endpoint:
        raise RequestError(f"`url` must be that of the batch, {endpoint}.", param="url")
    if not isinstance(body, dict):
        raise RequestError("`body` must be a JSON object.", param="body")
    if body.get("stream"):
        raise RequestError("A line of a batch cannot be streamed.", param="body.stream")
    return Line(custom_id, body)


def mistake(error: RequestError, custom_id: str | None, number: int) -> Result:
    """The error line of a line that nobody was asked for."""
    told = {"code": error.code, "message": error.message, "param": error.param, "line": number}
    return Result(custom_id, error=told)
