"""How many tokens a request has and may generate, estimated without a tokenizer. Pure."""

import math
from collections.abc import Mapping
from typing import Any

from experts.types import EMBEDDINGS, Request

LETTERS_PER_TOKEN = 4
COMPLETION_TOKENS = 16
"""What OpenAI's completions, and vLLM's, stop at when a request says nothing."""


def count_tokens(request: Request, context: int | None) -> tuple[int, int | None]:
    """Prompt tokens, and new tokens at most (None: as many as an unknown context holds).

    Texts are taken to have four letters a token; prompts of token ids are counted.
    """
    body = request.body
    prompts = _prompts(body)
    lengths = [
        math.ceil(len(p) / LETTERS_PER_TOKEN) if isinstance(p, str) else len(p) for p in prompts
    ]
    if request.operation == EMBEDDINGS:
        return sum(lengths), 0
    count = body.get("n")
    answers = count if isinstance(count, int) and count > 0 else 1
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    if not isinstance(limit, int) and request.operation == "completions":
        limit = COMPLETION_TOKENS
    if not isinstance(limit, int) and context is None:
        return sum(lengths), None
    new = sum(
        limit if isinstance(limit, int) else max(0, (context or 0) - length) for length in lengths
    )
    return sum(lengths), answers * new


def _prompts(body: Mapping[str, Any]) -> list[str | list[int]]:
    if "messages" in body:
        return ["".join(_text(message.get("content")) for message in body["messages"])]
    prompt = body.get("prompt", body.get("input", ""))
    if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int):
        return [p for p in prompt if isinstance(p, str | list)]
    return [prompt] if isinstance(prompt, str | list) else [""]


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content)
    return content or ""
