"""Questions and answers as the tokens of a training's rows, checked for their length."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from experts.errors import ConfigError
from experts.fused.training.questions import Asked

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Row:
    """A prompt and its answer as tokens; the answer ends with the end-of-text token."""

    tokens: tuple[int, ...]
    prompt: int
    """How many of the tokens are the prompt's."""

    @property
    def answer(self) -> int:
        """How many of the tokens are the answer's."""
        return len(self.tokens) - self.prompt


class Encoder:
    """Turns questions into tokens with the chat template of the shared tokenizer."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, longest: int) -> None:
        """Take the tokenizer, and the most tokens that a row may have."""
        self._tokenizer = tokenizer
        self.longest = longest

    def rows(self, asked: Sequence[Asked], answers: Sequence[str]) -> list[Row]:
        """Tokenize questions with the answers beside them; a row may come out too long."""
        if not asked:
            return []
        prompts = self._prompts([line.conversation() for line in asked])
        texts = [f"{answer}{self._tokenizer.eos_token}" for answer in answers]
        ends = self._tokenizer(texts, add_special_tokens=False)["input_ids"]
        return [Row((*p, *a), len(p)) for p, a in zip(prompts, ends, strict=True)]

    def fits(self, row: Row) -> bool:
        """Tell whether every member can read the whole row."""
        return len(row.tokens) <= self.longest

    def _prompts(self, conversations: list[list[dict[str, str]]]) -> list[list[int]]:
        texts = [
            self._tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
            for turns in conversations
        ]
        return list(self._tokenizer(texts, add_special_tokens=False)["input_ids"])


def digest_rows(*groups: Sequence[Row]) -> str:
    """Hash all the tokens of some groups of rows, in order."""
    seen = hashlib.sha256()
    for rows in groups:
        for row in rows:
            seen.update(f"{row.prompt} {row.tokens};".encode())
        seen.update(b"|")
    return seen.hexdigest()


def keep_fitting(
    encoder: Encoder, columns: Sequence[Sequence[Row]], what: str, skip: bool, say: Say
) -> list[int]:
    """Number the entries whose rows, one in each column, all fit.

    Raises ConfigError for others, unless they are to be skipped; then `say` tells how many.
    """
    entries = list(zip(*columns, strict=True))
    kept = [i for i, entry in enumerate(entries) if all(encoder.fits(row) for row in entry)]
    if len(kept) == len(entries):
        return kept
    long = len(entries) - len(kept)
    sentence = f"{what}: {long} of {len(entries)} rows have more than {encoder.longest} tokens"
    if not skip or not kept:
        raise ConfigError(
            f"{sentence}, the smallest context of the members (or `longest_tokens`).",
            hint="Shorten them, or leave them out with `too_long: skip`.",
        )
    say(f"{sentence} and are left out")
    return kept
