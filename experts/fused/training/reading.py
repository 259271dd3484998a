"""One text as members with different tokenizers read it, aligned by its characters.

A conversation's characters are counted over the contents of its messages, then over the answer.
The tokens of a chat template add none. Whoever speaks adds its answer piece by piece; a member
with another tokenizer reads each piece as it comes, with its own tokens for that piece alone.
That is the same in training and while an answer is made, and no member reads ahead.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from transformers import PreTrainedTokenizerBase

from experts.errors import ConfigError

INCOMPLETE = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class Reading:
    """Tokens, and how many characters are over after each of them."""

    tokens: tuple[int, ...]
    ends: tuple[int, ...]
    """Never falls."""

    def __add__(self, other: "Reading") -> "Reading":
        return Reading(self.tokens + other.tokens, self.ends + other.ends)


def read_prompt(
    tokenizer: PreTrainedTokenizerBase, conversation: Sequence[dict[str, str]]
) -> Reading:
    """A conversation in a member's chat template, up to where the answer begins.

    Raises ConfigError for a template that does not show the messages as they are.
    """
    text = str(
        tokenizer.apply_chat_template(
            list(conversation), add_generation_prompt=True, tokenize=False
        )
    )
    counts = [0] * len(text)
    place = 0
    for turn in conversation:
        content = turn["content"].strip()
        place = text.find(content, place)
        if place < 0:
            raise ConfigError(
                f"The chat template of {tokenizer.name_or_path} changes the text of messages,"
                " which cannot be aligned with other members."
            )
        counts[place : place + len(content)] = [1] * len(content)
        place += len(content)
    over = [0, *accumulate(counts)]
    encoded: Any = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ends = [over[end] for _, end in encoded["offset_mapping"]]
    return Reading(tuple(encoded["input_ids"]), tuple(accumulate(ends, max)))


def read_text(tokenizer: PreTrainedTokenizerBase, text: str) -> Reading:
    """A bare text that is to be continued, after the token that texts begin with, if any."""
    first = [] if tokenizer.bos_token_id is None else [int(tokenizer.bos_token_id)]
    return Reading(tuple(first), (0,) * len(first)) + read_piece(tokenizer, text, 0)


def read_piece(tokenizer: PreTrainedTokenizerBase, piece: str, before: int) -> Reading:
    """A piece of an answer, after `before` characters."""
    if not piece:
        return Reading((), ())
    encoded: Any = tokenizer(piece, add_special_tokens=False, return_offsets_mapping=True)
    ends = [before + end for _, end in encoded["offset_mapping"]]
    return Reading(tuple(encoded["input_ids"]), tuple(accumulate(ends, max)))


def read_answer(
    speaker: PreTrainedTokenizerBase,
    listener: PreTrainedTokenizerBase,
    answer: Sequence[int],
    before: int,
) -> tuple[Reading, Reading]:
    """An answer of the speaker's tokens, after `before` characters, as both read it."""
    pieces = Pieces(speaker)
    ends: list[int] = []
    heard = Reading((), ())
    for token in answer:
        piece = pieces.add(token)
        heard += read_piece(listener, piece, before)
        before += len(piece)
        ends.append(before)
    return Reading(tuple(answer), tuple(ends)), heard


class Pieces:
    """Turns a speaker's tokens into text as they come; half a character waits for its rest."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._tokens: list[int] = []
        # Text is complete up to the second number; what lies between them decides the spaces.
        self._context, self._done = 0, 0

    def add(self, token: int) -> str:
        """The text that this token completes; special tokens have none."""
        self._tokens.append(token)
        before = self._decode(self._tokens[self._context : self._done])
        text = self._decode(self._tokens[self._context :])
        if text.endswith(INCOMPLETE) or len(text) <= len(before):
            return ""
        self._context, self._done = self._done, len(self._tokens)
        return text[len(before) :]

    def _decode(self, tokens: list[int]) -> str:
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True))


def align(speaker: Sequence[int], listener: Sequence[int]) -> list[int]:
    """For each token of the speaker the listener's last one that ends no later.

    Both are `Reading.ends`; a listener's first token adds no character, so there is one.
    """
    return [bisect_right(listener, end) - 1 for end in speaker]
