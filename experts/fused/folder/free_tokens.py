"""Which tokens of a vocabulary can stand for roles: no text needs them, no template writes them.

A role token is only ever read at position 0, where the members see another one in its place.
Members that know what it means lose nothing but the ability to write it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from experts.errors import ConfigError

RESERVED = re.compile(
    r"""(?:<[|\uff5c]?|\[|>>)
    (?:place\u2581holder\u2581no\u2581
      |(?:role|reserved\w*?|unused\w*?|extra\w*?|dummy\w*?|placeholder\w*?|control|special)[_-]?)
    (?P<number>\d+)(?:[|\uff5c]?>|\]|<<)""",
    re.IGNORECASE | re.VERBOSE,
)
"""Tokens that tokenizers keep free: <|reserved_special_token_3|>, <unused3>, [unused3],
<extra_id_3>, <|dummy_3|>, <|placeholder3|>, [control_3], <SPECIAL_3>, >>UNUSED_3<<, and the zoo's
<|role_3|>."""
NEW = "<|coterie_role_{}|>"
"""How the fused folder's tokenizer spells an id that the members' tokenizer does not need."""
_SPELLING = re.compile(r"<[^<>\s]{2,64}>|\[[^\[\]\s]{2,64}\]")
_ENDS = re.compile(r"end|eo[a-z](?![a-z])|stop|pad(?![a-z])|bos(?![a-z])|begin", re.IGNORECASE)
"""Names of special tokens that may end an answer, or begin one, without being declared so."""


@dataclass(frozen=True, slots=True)
class RoleToken:
    """A token as text and as number."""

    text: str
    id: int
    instead_of: str | None = None
    """What the members' tokenizer calls it, where that is another text."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the choice of role tokens needs to know of the members' shared tokenizer."""

    ids: Mapping[str, int]
    """Every token."""
    added: frozenset[str]
    """Tokens that are found in a text before it is split, the special ones among them."""
    special: frozenset[str]
    taken: Mapping[int, str]
    """Tokens that cannot stand for a role, with the reason."""
    rows: int
    """Of the smallest embedding of the members: ids below it exist in every model."""
    impossible: Sequence[str] = ()
    """Tokens of single bytes that no UTF-8 text holds, and so no text of a request."""

    @property
    def unused(self) -> range:
        """Ids that no token has; embeddings are often padded. A tokenizer gives them in order."""
        first = max(max(self.ids.values(), default=-1) + 1, len(self.ids))
        return range(first, min([self.rows, *(id for id in self.taken if id >= first)]))

    def allows(self, id: int) -> bool:
        """Whether a token of the vocabulary may stand for a role."""
        return id < self.rows and id not in self.taken


def free_tokens(vocabulary: Vocabulary) -> list[RoleToken]:
    """Every token that can stand for a role, the most harmless ones first.

    Reserved tokens in the order of their numbers, unused ids, bytes that no text holds, and then
    special tokens that the members' chat templates do not write.
    """
    impossible = {vocabulary.ids[text] for text in vocabulary.impossible}
    ids = {text: id for text, id in vocabulary.ids.items() if vocabulary.allows(id)}
    reserved = sorted(
        (int(match["number"]), text)
        for text, id in ids.items()
        if id not in impossible and (match := RESERVED.fullmatch(text))
    )
    kept = [RoleToken(text, ids[text]) for _, text in reserved]
    special = {text for text in ids if text in vocabulary.special} - {one.text for one in kept}
    spellings = (NEW.format(number) for number in count())
    fresh = (text for text in spellings if text not in vocabulary.ids)
    new = [RoleToken(next(fresh), *nameless) for nameless in _nameless(vocabulary)]
    rest = [
        RoleToken(text, ids[text])
        for text in sorted(special, key=lambda text: (_is_plain(text), ids[text]))
        if ids[text] not in impossible and not _ENDS.search(text)
    ]
    return [*kept, *new, *rest]


def _nameless(vocabulary: Vocabulary) -> Iterator[tuple[int, str | None]]:
    """Ids that can have any name, with the name that they have had."""
    for id in vocabulary.unused:
        yield id, None
    for text in vocabulary.impossible:
        if vocabulary.allows(vocabulary.ids[text]):
            yield vocabulary.ids[text], text


def _is_plain(text: str) -> bool:
    """Whether people may write it: <filename>, but hardly <|file_sep|> or <file_sep>."""
    return "|" not in text and "_" not in text


def named_tokens(vocabulary: Vocabulary, names: Sequence[str]) -> list[RoleToken]:
    """The tokens that `role_tokens` names. Raises ConfigError with every mistake.

    A name that the vocabulary does not have is a new token: an unused id, or a byte that no text
    holds.
    """
    nameless = _nameless(vocabulary)
    found: list[RoleToken] = []
    problems: list[str] = []
    for place, text in enumerate(names):
        id = vocabulary.ids.get(text)
        if problem := "; ".join(_problems(vocabulary, names[:place], text)):
            problems.append(f"role_tokens.{place}: {text!r} {problem}")
        elif id is not None:
            found.append(RoleToken(text, id))
        elif (fresh := next(nameless, None)) is not None:
            found.append(RoleToken(text, *fresh))
        else:
            problems.append(
                f"role_tokens.{place}: {text!r} is not in the members' tokenizer, and no unused id"
                f" is left for it below {vocabulary.rows}, the rows of the smallest embedding"
            )
    if problems:
        raise ConfigError(
            "These tokens cannot stand for roles.",
            problems=tuple(problems),
            hint="Name special or unused tokens of the members' tokenizer, or leave out"
            " `role_tokens`: free ones are then found.",
        )
    return found


def _problems(vocabulary: Vocabulary, before: Sequence[str], text: str) -> Iterator[str]:
    id = vocabulary.ids.get(text)
    if text in before:
        yield "is named twice"
    elif id is None:
        if not _SPELLING.fullmatch(text):
            yield "is a new token, which must be spelled like <|name|>, <name> or [name]"
    elif id in vocabulary.taken:
        yield vocabulary.taken[id]
    elif id >= vocabulary.rows:
        yield f"has the id {id}, but the smallest embedding has only {vocabulary.rows} rows"
    elif text in vocabulary.impossible or not (
        text in vocabulary.added or RESERVED.fullmatch(text)
    ):
        yield "is an ordinary token, which texts are made of"
