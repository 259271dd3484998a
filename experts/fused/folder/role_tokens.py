"""The tokens of the members' tokenizer that a fused folder uses for its roles."""

import re
from collections.abc import Sequence
from typing import Any

from experts.errors import ConfigError

RESERVED = re.compile(
    r"<\|role_(\d+)\|>|<\|reserved_special_token_(\d+)\|>|<unused(\d+)>|<\|dummy_(\d+)\|>"
)
"""Unused special tokens, as the tokenizers of the zoo, Llama, Gemma and Phi spell them."""


def assign_role_tokens(tokenizer: Any, roles: Sequence[str]) -> dict[str, str]:
    """Role -> the reserved token that stands for it; raises ConfigError where there are too few."""
    tokens = reserved_tokens(tokenizer)
    if len(tokens) < len(roles):
        raise ConfigError(
            f"{len(roles)} roles need as many reserved tokens; the members' tokenizer has"
            f" {len(tokens)}.",
            hint="Reserved are <|role_N|>, <|reserved_special_token_N|>, <unusedN>, <|dummy_N|>.",
        )
    return dict(zip(roles, tokens, strict=False))


def reserved_tokens(tokenizer: Any) -> list[str]:
    """The tokens of a tokenizer that can stand for roles, in the order of their numbers."""
    numbered = []
    for token in tokenizer.get_added_vocab():
        if match := RESERVED.fullmatch(token):
            numbered.append((int(next(filter(None, match.groups()))), token))
    return [token for _, token in sorted(numbered)]


def chat_template(tokenizer: Any) -> str:
    """The default chat template of a tokenizer; raises ConfigError where there is none."""
    template = tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    if not template:
        raise ConfigError("The members' tokenizer has no chat template.")
    return str(template)


def first_token(tokenizer: Any) -> int:
    """The id of the token that every conversation starts with, whose place a role token takes.

    Raises ConfigError where conversations do not start with a special token.
    """
    chat_template(tokenizer)
    text = tokenizer.apply_chat_template([{"role": "user", "content": "Hello"}], tokenize=False)
    token = int(tokenizer(text, add_special_tokens=False)["input_ids"][0])
    if not text.startswith(tokenizer.convert_ids_to_tokens(token)) or (
        token not in tokenizer.added_tokens_decoder
    ):
        raise ConfigError(
            "The members' chat template does not start with a special token such as <s>, whose"
            f" place a role token could take: {text[:20]!r}"
        )
    return token
