"""The tokens that a fused folder uses for its roles, and the tokenizer that reads them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer

from experts.errors import ConfigError
from experts.fused.folder.free_tokens import RoleToken, Vocabulary, free_tokens, named_tokens
from experts.fused.folder.template_tokens import chat_template, first_token, rendered
from experts.fused.folder.vocabulary import read_vocabulary

MOST_NAMED = 12
"""Free tokens that an error names."""


@dataclass(frozen=True, slots=True)
class RolePlan:
    """How the roles of a fused folder are told at position 0."""

    tokens: tuple[RoleToken, ...]
    """One for each role, in their order."""
    first: RoleToken
    """What every conversation of the members starts with, and what they see at position 0."""
    template: str
    """The members' own chat template."""
    taught: tuple[RoleToken, ...]
    """Those of `tokens` that the members' tokenizer does not find in a text by itself."""
    backend: Tokenizer
    """Their tokenizer, which finds all of them."""


def plan_roles(
    folders: Mapping[str, Path],
    tokenizers: Mapping[str, Any],
    rows: int,
    roles: Sequence[str],
    named: Sequence[str] = (),
) -> RolePlan:
    """Choose a token for each role, and teach the first member's tokenizer those that it lacks.

    Args:
        folders: the models that share one tokenizer, by name.
        tokenizers: theirs.
        rows: of the smallest of their embeddings.
        roles: their names.
        named: `role_tokens` of the file; empty: free tokens are found.

    Raises ConfigError where there are too few, where a named one cannot stand for a role, and
    where the tokenizer would read one otherwise than the token whose place it takes.

    """
    tokenizer = next(iter(tokenizers.values()))
    first = first_token(tokenizer)
    vocabulary = read_vocabulary(folders, tokenizers, rows, first)
    tokens = _assign(vocabulary, len(roles), named)
    taught = tuple(token for token in tokens if token.text not in vocabulary.added)
    plan = RolePlan(
        tokens=tuple(tokens),
        first=RoleToken(str(tokenizer.convert_ids_to_tokens(first)), first),
        template=chat_template(tokenizer),
        taught=taught,
        backend=_teach(tokenizer, taught, tokenizer.added_tokens_decoder[first]),
    )
    _check_reading(plan, tokenizer)
    return plan


def _teach(tokenizer: Any, tokens: Sequence[RoleToken], first: Any) -> Tokenizer:
    """A tokenizer that knows further tokens, under their new names."""
    parts = json.loads(tokenizer.backend_tokenizer.to_str())
    names = {token.instead_of: token.text for token in tokens if token.instead_of is not None}
    vocabulary = parts["model"]["vocab"]
    if isinstance(vocabulary, dict):
        parts["model"]["vocab"] = {names.get(text, text): id for text, id in vocabulary.items()}
    else:
        parts["model"]["vocab"] = [[names.get(text, text), score] for text, score in vocabulary]
    taught = Tokenizer.from_str(json.dumps(parts))
    for token in tokens:
        taught.add_special_tokens([taught_token(token.text, first)])
    return taught


def taught_token(text: str, first: Any) -> AddedToken:
    """A new special token that treats the text beside it as the first token does."""
    return AddedToken(
        text, special=True, normalized=False, lstrip=first.lstrip, rstrip=first.rstrip
    )


def _assign(vocabulary: Vocabulary, count: int, named: Sequence[str]) -> list[RoleToken]:
    found = named_tokens(vocabulary, named) if named else free_tokens(vocabulary)
    if len(found) >= count:
        return found[:count]
    if named:
        raise ConfigError(
            f"{count} roles need as many role tokens; `role_tokens` names {len(found)}.",
            hint="Name more of them, or leave out `role_tokens`: free ones are then found.",
        )
    names = [token.text for token in found[:MOST_NAMED]]
    names += [f"and {len(found) - MOST_NAMED} more"] if len(found) > MOST_NAMED else []
    listed = f": {', '.join(names)}" if found else ""
    raise ConfigError(
        f"{count} roles need as many role tokens; the members' tokenizer has {len(found)} that are"
        f" free{listed}.",
        hint="Free are reserved tokens such as <|reserved_special_token_0|>, rows of the embeddings"
        " that the tokenizer does not use, bytes that no text holds, and special tokens that no"
        " chat template writes. Fuse fewer members or name fewer roles; or enlarge the embeddings"
        " of every member, with `model.resize_token_embeddings(N)` and `save_pretrained`.",
    )


def _check_reading(plan: RolePlan, tokenizer: Any) -> None:
    """Raise ConfigError where a role token is not read as one, or changes what comes after it."""
    texts = [text for text in rendered(tokenizer) if text.startswith(plan.first.text)]
    plain = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    problems = []
    for token in plan.tokens:
        asked = [token.text + text.removeprefix(plan.first.text) for text in texts]
        found = [plan.backend.encode(text, add_special_tokens=False).ids for text in asked]
        if (id := plan.backend.token_to_id(token.text)) != token.id:
            problems.append(f"{token.text!r} got the id {id} instead of {token.id}")
        elif found != [[token.id, *ids[1:]] for ids in plain]:
            problems.append(f"{token.text!r} changes how the text after it is read")
        elif plan.backend.decode([token.id], skip_special_tokens=False) != token.text:
            problems.append(f"{token.text!r} is not written as it is read")
    if problems:
        raise ConfigError(
            "The members' tokenizer cannot tell roles apart.",
            problems=tuple(problems),
            hint="Name other tokens with `role_tokens`, such as special ones of the tokenizer.",
        )
