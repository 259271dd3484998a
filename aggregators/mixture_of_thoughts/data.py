"""The training data of a Mixture of Thoughts: texts in the tokens of every tokenizer."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from aggregators.mixture_of_thoughts.model import Read
from aggregators.mixture_of_thoughts.training_config import TrainingConfig
from experts.fused.training.batches import Batch, collate
from experts.fused.training.encoding import Encoder, Row, Say, digest_rows, keep_fitting
from experts.fused.training.questions import Question, read_lines
from experts.fused.training.reading import align, read_answer, read_prompt


@dataclass(frozen=True, slots=True)
class Listener:
    """The rows in the tokens of a tokenizer other than the speakers'."""

    rows: tuple[Row, ...]
    aligned: tuple[tuple[int, ...], ...]
    """For each row and each of the speakers' tokens, the position that is attended to there."""


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Questions with answers, as text and as tokens."""

    questions: tuple[str, ...]
    """What the query router sees."""
    rows: tuple[Row, ...]
    """In the speakers' tokens."""
    listeners: tuple[Listener, ...] = ()
    """One for each further tokenizer."""

    def digest(self) -> str:
        """Hash all tokens."""
        return digest_rows(self.rows, *(one.rows for one in self.listeners))

    def batch(self, rows: Sequence[int]) -> tuple[Batch, Read]:
        """Some rows as tensors, padded on the right."""
        own = collate([self.rows[row] for row in rows])
        length = own.tokens.shape[1]
        others = [collate([one.rows[row] for row in rows]).tokens for one in self.listeners]
        aligned = [_pad([one.aligned[row] for row in rows], length) for one in self.listeners]
        return own, Read((own.tokens, *others), tuple(aligned))


def load_data(
    config: TrainingConfig,
    tokenizers: Sequence[PreTrainedTokenizerBase],
    longest: int,
    say: Say,
) -> TrainingData:
    """Read and tokenize the questions; `tokenizers` are the distinct ones, the speakers' first.

    `longest` is the smallest context in tokens. Raises ConfigError that names bad lines.
    """
    lines = read_lines(config.questions, Question, config.most_rows)
    speakers, *others = tokenizers
    encoder = Encoder(speakers, longest)
    rows = encoder.rows(lines, [line.answer for line in lines])
    listeners = [_listen(speakers, other, lines, rows) for other in others]
    columns = [rows, *(one.rows for one in listeners)]
    kept = keep_fitting(encoder, columns, "questions", config.too_long == "skip", say)
    return TrainingData(
        tuple(lines[i].question() for i in kept),
        tuple(rows[i] for i in kept),
        tuple(
            Listener(tuple(one.rows[i] for i in kept), tuple(one.aligned[i] for i in kept))
            for one in listeners
        ),
    )


def _listen(
    speakers: PreTrainedTokenizerBase,
    listener: PreTrainedTokenizerBase,
    lines: Sequence[Question],
    rows: Sequence[Row],
) -> Listener:
    found: list[Row] = []
    aligned: list[tuple[int, ...]] = []
    for line, row in zip(lines, rows, strict=True):
        conversation = line.conversation()
        own, other = (read_prompt(one, conversation) for one in (speakers, listener))
        answer = row.tokens[row.prompt :]
        said, heard = read_answer(speakers, listener, answer, own.ends[-1])
        own, whole = own + said, other + heard
        found.append(Row(whole.tokens, len(other.tokens)))
        aligned.append(tuple(align(own.ends, whole.ends)))
    return Listener(tuple(found), tuple(aligned))


def _pad(rows: Sequence[Sequence[int]], length: int) -> Tensor:
    return torch.tensor([[*row, *[0] * (length - len(row))] for row in rows])
