"""The answer of a pool that does not know: its sentence, within what was asked. Pure."""

import json
import re
from typing import Any

from experts.errors import RequestError
from experts.openai_format import OpenAIFormat
from experts.types import Request
from orchestrator.request.terms.meaning import (
    Body,
    beyond_text,
    constrained,
    most_tokens,
    token_details,
    tokens_chosen,
    tool_demanded,
)

_DATA = b"data: "
_WORDS = re.compile(r"\s*\S+")


def _of_the_conversation(body: Body) -> str | None:
    """The field that asks for something from the engine's view of a chat, if one does."""
    if "messages" not in body:
        return None
    return next((field for field in _ITS_OWN if body.get(field)), None)


_ITS_OWN = ("chat_template", "echo", "continue_final_message")
_CANNOT = (
    (constrained, "in the form that was asked for"),
    (tool_demanded, "by calling a tool"),
    (token_details, "with something about its tokens, which no model generates"),
    (tokens_chosen, "with only some tokens, as no model generates it"),
    (beyond_text, "but in text"),
    (_of_the_conversation, "through a chat template of yours, or after your own words"),
)


def check_abstention(request: Request, message: str) -> None:
    """Raise RequestError for a request that the sentence cannot be an answer to."""
    for wanted, how in _CANNOT:
        if (field := wanted(request.body)) is not None:
            raise RequestError(
                f"No expert here knows enough about this ({message}),"
                f" and that cannot be said {how}.",
                hint=f"Leave out `{field}`, or ask an expert by its name.",
                param=field,
            )
    least, most = request.body.get("min_tokens") or 0, len(_WORDS.findall(message))
    if least > most:
        raise RequestError(
            f"No expert here knows enough about this ({message}), and that has {most} words only.",
            hint="Leave out `min_tokens`, or ask an expert by its name.",
            param="min_tokens",
        )


def abstention(request: Request, model: str, message: str) -> bytes:
    """The whole answer, or all events of its stream. Raises RequestError."""
    check_abstention(request, message)
    text, finish = worded(request.body, message)
    if request.body.get("echo") and isinstance(prompt := request.body.get("prompt"), str):
        text = prompt + text
    count = request.body.get("n") or 1
    formatted = OpenAIFormat(request, model)
    if not request.stream:
        return _copies(formatted.whole_answer(text, finish), count)
    event = formatted.chunk(text, finish).strip().removeprefix(_DATA)
    events = (_DATA + _numbered(event, number) + b"\n\n" for number in range(count))
    return b"".join(events) + formatted.end_of_stream()


def worded(body: Body, message: str) -> tuple[str, str]:
    """The sentence as far as it may go, and why it ends; a word counts as a token.

    A sentence that the client's own stop ends is over, as every answer would be.
    """
    finish = "stop"
    most = most_tokens(body)
    words = _WORDS.findall(message)
    if most is not None and len(words) > most:
        message, finish = "".join(words[:most]), "length"
    stops = body.get("stop") or ()
    stops = [stops] if isinstance(stops, str) else [stop for stop in stops if stop]
    ends = [place for stop in stops if (place := message.find(stop)) >= 0]
    return (message[: min(ends)], "stop") if ends else (message, finish)


def _copies(answer: bytes, count: int) -> bytes:
    tree: dict[str, Any] = json.loads(answer)
    (choice,) = tree["choices"]
    tree["choices"] = [{**choice, "index": number} for number in range(count)]
    return json.dumps(tree).encode()


def _numbered(event: bytes, number: int) -> bytes:
    tree: dict[str, Any] = json.loads(event)
    tree["choices"][0]["index"] = number
    return json.dumps(tree).encode()
