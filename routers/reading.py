"""What a router reads of a request: its last user turn, with the turns that this one leans on.

"And Peru?" says nothing without the question before it, while a whole question is to be read alone,
even where it follows another one. Texts are joined, not vectors: the measurements that chose this
are in docs/guides/routers.md (`coterie eval conversations`). Pure, but for the encoder.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experts.types import Request
from routers.base import Decision, Encoder
from routers.encoders.long_texts import MOST_TOKENS, Similarity, embedded

EARLIER_TURNS = 3
"""User turns before the last one that are read at most, where each of them leans on another."""

FEWEST_WORDS = 2
"""A turn with fewer words of its own leans on what precedes it."""

FAMILIAR = 0.8
"""A turn that is so similar to a question which the router knows is a whole one, however short."""

SHOWN_CHARACTERS = 200
"""Of what was read, in an explanation."""

_QUOTED = re.compile(r'"[^"]*"')
_WORD = re.compile(r"[^\W\d_]+")
_FORMULA = re.compile(r"[\d)] ?(?:[+*\xd7\xf7^=<>]|(?<= )[-\u2212/x](?= )) ?[\d(?]")
"""A sign of arithmetic between numbers; dates, ranges and shares have theirs without spaces."""
_FUNCTION_WORDS = frozenset(
    _WORD.findall(
        "a about again also an and are but do does did for how in is it let more next now of ok"
        " okay one or please s same so that the then this to try what with"
    )
)


class Read(NamedTuple):
    """What was read of some requests."""

    texts: tuple[str, ...]
    vectors: NDArray[np.float32]
    """[B, dimension]"""
    turns: tuple[int, ...]
    """How many user turns each text is made of."""
    cut: tuple[bool, ...]
    """Whether a text was too long to be read as a whole."""


def user_turns(request: Request) -> tuple[str, ...]:
    """The texts of the user's turns, the oldest first; of a completion, its first prompt."""
    if request.operation != "chat/completions":
        return (request.query,)
    messages: Sequence[Mapping[str, Any]] = request.body.get("messages") or ()
    users = [message for message in messages if message.get("role") == "user"]
    alone = (Request("", request.operation, {"messages": [message]}).query for message in users)
    return tuple(alone) or ("",)


def leans(turn: str) -> bool:
    """Whether a turn has too few words of its own to be understood alone.

    Quotations, numbers and English function words are none: they say with what, not what. A formula
    says what.
    """
    if _FORMULA.search(turn):
        return False
    words = _WORD.findall(_QUOTED.sub(" ", turn).casefold())
    return sum(word not in _FUNCTION_WORDS for word in words) < FEWEST_WORDS


def together(turns: Sequence[str], most: int = EARLIER_TURNS) -> tuple[str, ...]:
    """The last turn, after those that it leans on by its words: at most `most` of them."""
    first = len(turns) - 1
    while first > 0 and len(turns) - 1 - first < most and leans(turns[first]):
        first -= 1
    return tuple(turns[first:])


def reading(request: Request) -> str:
    """The text of a request for who has no vectors to compare with: what tags and records it."""
    return "\n".join(together(user_turns(request)))


def read(
    requests: Sequence[Request],
    encoder: Encoder,
    similarity: Similarity | None = None,
    earlier_turns: int = EARLIER_TURNS,
    long_text_tokens: int = MOST_TOKENS,
) -> Read:
    """What is read of each request, and its vector.

    A request with one turn is read as it is, and costs what it would cost alone. `similarity` tells
    how near vectors are to what a router was fitted on; without it only the words count.
    """
    kept = [together(user_turns(request), earlier_turns) for request in requests]
    texts = [turns[-1] for turns in kept]
    vectors, cut = embedded(texts, encoder, similarity, long_text_tokens)
    longer = [row for row, turns in enumerate(kept) if len(turns) > 1]
    if longer and similarity is not None:
        whole = _whole([kept[row] for row in longer], encoder, similarity)
        for row, count in zip(longer, whole, strict=True):
            kept[row] = kept[row][-count:]
        longer = [row for row in longer if len(kept[row]) > 1]
    if longer:
        vectors, parts = vectors.copy(), list(cut)
        for row in longer:
            texts[row] = "\n".join(kept[row])
        joined = embedded([texts[row] for row in longer], encoder, similarity, long_text_tokens)
        vectors[longer] = joined.vectors
        for row, one in zip(longer, joined.cut, strict=True):
            parts[row] = one
        cut = tuple(parts)
    return Read(tuple(texts), vectors, tuple(map(len, kept)), cut)


def told(found: Read, decisions: Sequence[Decision]) -> list[Decision]:
    """The decisions; those made by more than the last turn, or by a part of it, say so."""
    return [_told(found, row, decision) for row, decision in enumerate(decisions)]


def _told(found: Read, row: int, decision: Decision) -> Decision:
    count, words = found.turns[row], []
    evidence: dict[str, Any] = {}
    if count > 1:
        words.append(f"The last turn was read with the {count - 1} before it.")
        evidence = {"read": found.texts[row][-SHOWN_CHARACTERS:], "turns": count}
    if found.cut[row]:
        words.append("The text is long: only its beginning and its end were read.")
        evidence["truncated"] = True
    if not words:
        return decision
    reason = " ".join([*words, decision.reason])
    return replace(decision, reason=reason, evidence={**decision.evidence, **evidence})


def _whole(
    conversations: Sequence[Sequence[str]], encoder: Encoder, similarity: Similarity
) -> list[int]:
    """How many turns to read of each: up to the last one that is a question known to the router."""
    flat = [turn for turns in conversations for turn in turns]
    familiar = iter((similarity(encoder.encode(flat)) >= FAMILIAR).tolist())
    found = []
    for turns in conversations:
        known = [next(familiar) for _ in turns]
        found.append(known[::-1].index(True) + 1 if any(known) else len(turns))
    return found
