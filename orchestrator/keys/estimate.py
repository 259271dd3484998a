"""How many tokens a request may cost, guessed before it is asked: by its letters and its bounds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experts.types import EMBEDDINGS, Request

LETTERS_PER_TOKEN = 4
TOKENS_PER_MESSAGE = 4
TOKENS_PER_PART = 256
"""Of an image or another part that is no text; what it really costs is counted afterwards."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Tokens of the prompt, and the most of the answers."""

    prompt: int
    answers: int
    stated: bool
    """Whether the request itself bounds its answers."""

    @property
    def tokens(self) -> int:
        """Both together."""
        return self.prompt + self.answers


def estimate(request: Request, unstated: int) -> Estimate:
    """What to reserve for a request; `unstated` tokens for an answer without a bound."""
    body = request.body
    if request.operation == EMBEDDINGS:
        return Estimate(_text(body.get("input")), 0, stated=True)
    prompts = body.get("prompt")
    several = isinstance(prompts, list) and not all(isinstance(one, int) for one in prompts)
    count = (len(prompts) if several and isinstance(prompts, list) else 1) * (body.get("n") or 1)
    prompt = sum(map(_message, body.get("messages") or ())) + _text(prompts)
    bounds = (body.get("max_completion_tokens"), body.get("max_tokens"))
    stated = next((bound for bound in bounds if isinstance(bound, int)), None)
    return Estimate(prompt, count * (unstated if stated is None else stated), stated is not None)


def _message(message: Mapping[str, Any]) -> int:
    return TOKENS_PER_MESSAGE + _text(message.get("content"))


def _text(value: Any) -> int:
    """Of a text, a list of texts, parts or token ids."""
    if isinstance(value, str):
        return -(-len(value) // LETTERS_PER_TOKEN)
    if isinstance(value, list):
        return sum(map(_text, value))
    if isinstance(value, Mapping):
        text = value.get("text")
        return _text(text) if isinstance(text, str) else TOKENS_PER_PART
    return 1 if isinstance(value, int) else 0
