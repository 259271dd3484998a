"""Which tokens of a vocabulary can stand for roles: no text needs them, no template writes them.

A role token is only ever read at position 0, where the members see another one in its place.
Members that know what it means lose nothing but the ability to write it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

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
IMPOSSIBLE_BYTE = re.compile(r"<0x(?:C[01]|F[5-9A-F])>")
"""Bytes of a byte-fallback vocabulary that no UTF-8 text holds."""
NEW = "<|coterie_role_{}|>"
"""How the fused folder's tokenizer spells an id that the members' tokenizer leaves unused."""
_SPELLING = re.compile(r"<[^<>\s]{2,64}>|\[[^\[\]\s]{2,64}\]")
_ENDS = re.compile(r"end|eo[a-z](?![a-z])|stop|pad(?![a-z])|bos(?![a-z])|begin", re.IGNORECASE)
"""Names of special tokens that may end an answer, or begin one, without being declared so."""


@dataclass(frozen=True, slots=True)
class RoleToken:
    """A token as text and as number."""

    text: str
    id: int


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

    @property
    def unused(self) -> range:
        """Ids that no token has; embeddings are often padded. A tokenizer gives them in order."""
        first = max(max(self.ids.values(), default=-1) + 1, len(self.ids))
        return range(first, min([self.rows, *(id for id in self.taken if id >= first)]))


def free_tokens(vocabulary: Vocabulary) -> list[RoleToken]:
    """Every token that can stand for a role, the most harmless ones first.

    Reserved tokens in the order of their numbers, unused ids, bytes that no text holds, and then
    special tokens that the members' chat templates do not write.
    """
    ids = {
        text: id
        for text, id in vocabulary.ids.items()
        if id < vocabulary.rows and id not in vocabulary.taken
    }
    reserved = sorted(
        (int(match["number"]), text) for text in ids if (match := RESERVED.fullmatch(text))
    )
    names = [
        *(text for _, text in reserved),
        *sorted(filter(IMPOSSIBLE_BYTE.fullmatch, ids)),
        *sorted(filter(vocabulary.special.__contains__, ids), key=lambda t: (_plain(t), ids[t])),
    ]
    kept = dict.fromkeys(text for text in names if _is_harmless(text))
    old = [RoleToken(text, ids[text]) for text in kept]
    spellings = (NEW.format(number) for number in range(vocabulary.rows + len(ids)))
    fresh = (text for text in spellings if text not in vocabulary.ids)
    new = [RoleToken(text, id) for text, id in zip(fresh, vocabulary.unused, strict=False)]
    return [*old[: len(reserved)], *new, *old[len(reserved) :]]


def _is_harmless(text: str) -> bool:
    return bool(RESERVED.fullmatch(text)) or not _ENDS.search(text)


def _plain(text: str) -> bool:
    """Whether people may write it: <filename>, but hardly <|file_sep|> or <file_sep>."""
    return "|" not in text and "_" not in text


def named_tokens(vocabulary: Vocabulary, names: Sequence[str]) -> list[RoleToken]:
    """The tokens that `role_tokens` names. Raises ConfigError with every mistake.

    A name that the vocabulary does not have is a new token, with one of the unused ids.
    """
    unused = iter(vocabulary.unused)
    found: list[RoleToken] = []
    problems: list[str] = []
    for place, text in enumerate(names):
        id = vocabulary.ids.get(text)
        if problem := "; ".join(_problems(vocabulary, names[:place], text)):
            problems.append(f"role_tokens.{place}: {text!r} {problem}")
        elif id is not None:
            found.append(RoleToken(text, id))
        elif (fresh := next(unused, None)) is not None:
            found.append(RoleToken(text, fresh))
        else:
            problems.append(
                f"role_tokens.{place}: {text!r} is not in the members' tokenizer, and no unused id"
                f" is left for it below {vocabulary.rows}, the rows of the smallest embedding"
            )
    if problems:
        raise ConfigError(
            f"These tokens cannot stand for roles: {'; '.join(problems)}.",
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
    elif text not in vocabulary.added and not (
        RESERVED.fullmatch(text) or IMPOSSIBLE_BYTE.fullmatch(text)
    ):
        yield "is an ordinary token, which texts are made of"
