"""Questions with answers and preference pairs: read from JSONL, checked, tokenized, batched."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal, TypeVar

import torch
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from experts.errors import ConfigError

MOST_SHOWN = 50
"""Bad lines that are named one by one; more of them are only counted."""

PADDING = 0
"""What fills a short row; no token of a row looks to its right, so any token will do."""

Say = Callable[[str], None]


class Message(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    role: Literal["system", "user", "assistant"]
    content: str


class _Asked(BaseModel):
    """What was asked: `prompt`, which is one user's message, or `messages`."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    prompt: str | None = None
    messages: tuple[Message, ...] | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> "_Asked":
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("needs either `prompt` (a text) or `messages` (a list), not both")
        if self.messages is not None and not self.messages:
            raise ValueError("`messages` is empty")
        return self

    def question(self) -> str:
        """The last thing that a user says: what a router of whole questions looks at."""
        turns = [turn["content"] for turn in self.conversation() if turn["role"] == "user"]
        return turns[-1] if turns else ""

    def conversation(self) -> list[dict[str, str]]:
        """Give the messages as chat templates take them."""
        if self.messages is None:
            return [{"role": "user", "content": self.prompt or ""}]
        return [{"role": turn.role, "content": turn.content} for turn in self.messages]


class Question(_Asked):
    """A line of a file of questions."""

    answer: str


class Pair(_Asked):
    """A line of a file of preferences."""

    chosen: str
    rejected: str

    @model_validator(mode="after")
    def _different(self) -> "Pair":
        if self.chosen == self.rejected:
            raise ValueError("`chosen` and `rejected` are equal: there is nothing to prefer")
        return self


Line = TypeVar("Line", Question, Pair)


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


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows as tensors, padded on the right."""

    tokens: Tensor
    """[B, T], token ids."""
    positions: Tensor
    """[B, T - 1] bool: where the next token belongs to an answer; N of them are true."""
    targets: Tensor
    """[N], the answers' tokens, row after row."""
    row: Tensor
    """[N], which row a target belongs to."""


def read_lines(paths: Sequence[Path], kind: type[Line], most: int) -> list[Line]:
    """Read JSONL files; blank lines are skipped.

    Raises ConfigError that names every bad line as `file:line`, and one for more than `most`.
    """
    lines: list[Line] = []
    problems: list[str] = []
    for path in paths:
        for number, text in enumerate(_read(path), start=1):
            if not text.strip():
                continue
            try:
                lines.append(kind.model_validate_json(text))
            except ValidationError as error:
                problems += [f"{path}:{number}: {_explain(found)}" for found in error.errors()]
    if problems:
        count = len(problems)
        if count > MOST_SHOWN:
            problems[MOST_SHOWN:] = [f"and {count - MOST_SHOWN} more"]
        raise ConfigError(
            f"The training data have {count} mistakes.",
            problems=tuple(problems),
            hint=f"Each line is a JSON object with {_fields(kind)}; mend or delete these lines.",
        )
    if not lines:
        raise ConfigError(f"{', '.join(map(str, paths))}: no rows to train on.")
    if len(lines) > most:
        message = f"{len(lines)} rows of training data are more than `most_rows` ({most})."
        raise ConfigError(message, hint="Raise `most_rows`, or give fewer rows.")
    return lines


def _read(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from file
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}).") from error


def _explain(found: Any) -> str:
    place = ".".join(map(str, found["loc"]))
    message = str(found["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _fields(kind: type[Question] | type[Pair]) -> str:
    answers = "`answer`" if kind is Question else "`chosen` and `rejected`"
    return f"`prompt` or `messages`, and {answers}"


class Encoder:
    """Turns questions into tokens with the chat template of the shared tokenizer."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, longest: int) -> None:
        """Take the tokenizer, and the most tokens that a row may have.

        Raises ConfigError for a chat template that does not begin with the bos token: the
        served model has its role token in that place, and shows the bos token to every member.
        """
        self._tokenizer = tokenizer
        self.longest = longest
        first = self._prompts([[{"role": "user", "content": "?"}]])[0][:1]
        if first != [tokenizer.bos_token_id]:
            raise ConfigError(
                "The chat template of the router's tokenizer does not begin with the bos token.",
                hint="A fused expert keeps that place for the role of a request.",
            )

    def rows(self, asked: Sequence[_Asked], answers: Sequence[str]) -> list[Row]:
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


def collate(rows: Sequence[Row]) -> Batch:
    """Pad rows on the right."""
    longest = max(len(row.tokens) for row in rows)
    tokens = torch.full((len(rows), longest), PADDING)
    positions = torch.zeros((len(rows), longest - 1), dtype=torch.bool)
    for index, row in enumerate(rows):
        tokens[index, : len(row.tokens)] = torch.tensor(row.tokens)
        positions[index, row.prompt - 1 : len(row.tokens) - 1] = True
    return Batch(tokens, positions, tokens[:, 1:][positions], positions.nonzero()[:, 0])


class Order:
    """Which rows each step trains on: every row once an epoch, in an order of its own.

    It follows from the arguments alone, so that a resumed run goes on where it was. `window`
    batches are drawn together and sorted by length, which saves padding; an epoch's last rows
    that fill no batch wait for the next one.
    """

    def __init__(self, lengths: Sequence[int], batch: int, window: int, seed: str) -> None:
        self._lengths = lengths
        self._batch = min(batch, len(lengths))
        self._window = window
        self._seed = seed
        self._epoch = -1
        self._batches: list[list[int]] = []

    def rows(self, step: int) -> list[int]:
        """Choose the rows of a step, counted from 0."""
        epoch, index = divmod(step, len(self._lengths) // self._batch)
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, self._draw(epoch)
        return self._batches[index]

    def _draw(self, epoch: int) -> list[list[int]]:
        rng = Random(f"{self._seed} {epoch}")
        order = list(range(len(self._lengths)))
        rng.shuffle(order)
        order = order[: len(order) // self._batch * self._batch]
        batches: list[list[int]] = []
        for start in range(0, len(order), self._batch * self._window):
            drawn = order[start : start + self._batch * self._window]
            if self._window > 1:
                drawn.sort(key=lambda row: self._lengths[row])
            window = [drawn[at : at + self._batch] for at in range(0, len(drawn), self._batch)]
            rng.shuffle(window)
            batches += window
        return batches


def split(rows: Sequence[Row], most_tokens: int) -> list[list[int]]:
    """Group rows of similar length into batches of at most so many tokens, padding included."""
    order = sorted(range(len(rows)), key=lambda index: len(rows[index].tokens))
    groups: list[list[int]] = []
    for index in order:
        if groups and (len(groups[-1]) + 1) * len(rows[index].tokens) <= most_tokens:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups
