"""The chat template of a tokenizer, and the tokens that it writes."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from experts.errors import ConfigError

_USER = {"role": "user", "content": "Hello"}
_CALL = {
    "type": "function",
    "function": {"name": "look", "arguments": {"at": "it"}},
    "id": "a12345678",
}
_TOOL = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Look.",
        "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
    },
}
CONVERSATIONS: Sequence[Mapping[str, Any]] = (
    {"conversation": [_USER]},
    {"conversation": [{"role": "system", "content": "Be kind."}, _USER]},
    {"conversation": [_USER, {"role": "assistant", "content": "Hi"}, _USER]},
    {"conversation": [_USER], "tools": [_TOOL]},
    {
        "conversation": [
            _USER,
            {"role": "assistant", "content": "", "tool_calls": [_CALL]},
            {"role": "tool", "name": "look", "content": "42", "tool_call_id": "a12345678"},
        ],
        "tools": [_TOOL],
    },
)
"""What a template is tried with; one that refuses some of it says so with any exception."""


def chat_template(tokenizer: Any) -> str:
    """The default chat template of a tokenizer; raises ConfigError where there is none."""
    template = tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    if not template:
        raise ConfigError(
            "The members' tokenizer has no chat template.",
            hint="Put the template that the members were trained with into the first member's"
            " folder, as chat_template.jinja.",
        )
    return str(template)


def first_token(tokenizer: Any) -> int:
    """The id of the token that every conversation starts with, whose place a role token takes.

    Raises ConfigError where conversations do not start with a special token.
    """
    chat_template(tokenizer)
    text = tokenizer.apply_chat_template([_USER], tokenize=False)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    if (
        not ids
        or ids[0] not in tokenizer.added_tokens_decoder
        or (not text.startswith(tokenizer.convert_ids_to_tokens(ids[0])))
    ):
        raise ConfigError(
            "The members' chat template does not start with a special token such as <s>, whose"
            f" place a role token could take: {text[:20]!r}.",
            hint="Begin the first member's chat_template.jinja with {{ bos_token }}, if the"
            " tokenizer has one.",
        )
    return int(ids[0])


def rendered(tokenizer: Any) -> Iterator[str]:
    """Conversations of every kind in the tokenizer's chat template, as far as it knows them."""
    for settings in CONVERSATIONS:
        for answering in (True, False):
            with suppress(Exception):
                yield str(
                    tokenizer.apply_chat_template(
                        **settings, add_generation_prompt=answering, tokenize=False
                    )
                )


def written_by_template(tokenizer: Any) -> set[int]:
    """The ids of the tokens that the chat template writes, or may write.

    Templates put some of their tokens together: `<|{{ message.role }}|>`.
    """
    own = tokenizer.chat_template or ""
    sources = "\n".join(map(str, own.values())) if isinstance(own, dict) else str(own)
    added = tokenizer.get_added_vocab()
    found = {id for token, id in added.items() if token in sources}
    for text in rendered(tokenizer):
        found.update(tokenizer(text, add_special_tokens=False)["input_ids"])
    return found
