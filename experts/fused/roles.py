"""The role tokens of fused experts, which the text of a request must not contain.

A fused expert reads its role from the token at position 0 (`experts/fused/composites/`).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from experts.errors import RequestError
from experts.types import Request

MODEL_TYPE = "coterie_composite"
TEXT_FIELDS = ("messages", "prompt", "suffix", "tools")
MOST_MARKS = 128
"""Log-probabilities of chosen tokens that vLLM's sampler returns."""
Tells = Literal["experts", "attention"] | None
_TELLS: Mapping[str, Tells] = {
    "CoterieFusionRoute": "experts",
    "CoterieMixtureOfThoughts": "attention",
}


@dataclass(frozen=True, slots=True)
class Fused:
    """What the gateway needs to know of a fused folder."""

    role_tokens: tuple[str, ...]
    role_ids: tuple[int, ...]
    members: tuple[str, ...]
    tells: Tells = None
    """What its answers can say of every token: which member spoke (FusionRoute), or how much the
    primary listened to each (Mixture of Thoughts)."""
    interactions: int = 0
    """Interaction layers of a Mixture of Thoughts."""
    listeners: tuple[str, ...] = ()
    """Its members with tokenizers of their own."""

    @property
    def marks(self) -> int:
        """How many role tokens carry what `tells` names in their log-probabilities."""
        if self.tells == "attention":
            # Whole layers only (`composites/mixture_of_thoughts/listening.py`).
            room = min(len(self.role_ids), MOST_MARKS) // len(self.members)
            return min(self.interactions, room) * len(self.members)
        return 1 if self.tells else 0


@lru_cache(maxsize=256)
def fused(model: str) -> Fused | None:
    """Read the folder `model`; None where it holds no fused expert."""
    folder = Path(model)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if config.get("model_type") != MODEL_TYPE:
            return None
        tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        words = {token["id"]: token["content"] for token in tokenizer["added_tokens"]}
        ids = config["role_token_ids"]
        return Fused(
            role_tokens=tuple(words[i] for i in ids),
            role_ids=tuple(ids),
            members=tuple(config["members"]),
            tells=_TELLS.get(config["architectures"][0]),
            interactions=len(config.get("places") or ()),
            listeners=tuple(config.get("listeners") or ()),
        )
    except (OSError, ValueError, KeyError, AttributeError, IndexError):
        return None  # A hub id, or a folder that the engine will complain about.


def in_role(request: Request, role: str | None) -> Request:
    """The request with the role that a router chose, unless the client named one."""
    settings = request.body.get("chat_template_kwargs") or {}
    if role is None or request.operation != "chat/completions" or "role" in settings:
        return request
    body = {**request.body, "chat_template_kwargs": {**settings, "role": role}}
    return replace(request, body=body)


def refuse_role_tokens(request: Request, model: Fused) -> None:
    """Raise RequestError where the text of a request contains a role token."""
    for field in TEXT_FIELDS:
        for text in _texts(request.body.get(field)):
            for token in model.role_tokens:
                if token in text:
                    raise RequestError(
                        f"The text contains {token}, which is reserved for choosing a role.",
                        hint='Choose one with "coterie": {"role": NAME}.',
                        param=field,
                    )


def without_role_tokens(request: Request, model: Fused) -> Request:
    """The request with a space in every role token that a text of it spells.

    For requests that quote other models' answers: they may use what is an ordinary word to them,
    such as <filename>, and the client could not help it.
    """
    body = {
        field: _spaced(value, model.role_tokens) if field in TEXT_FIELDS else value
        for field, value in request.body.items()
    }
    return replace(request, body=body)


def _spaced(value: Any, tokens: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        for token in tokens:
            value = value.replace(token, f"{token[0]} {token[1:]}")
        return value
    if isinstance(value, list):
        return [_spaced(part, tokens) for part in value]
    if isinstance(value, dict):
        return {name: _spaced(part, tokens) for name, part in value.items()}
    return value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
