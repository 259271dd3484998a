"""What a run of FusionRoute trains on, and whether its members can read it."""

import hashlib
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from experts.errors import ConfigError
from experts.training.data import Encoder, Pair, Question, Row, Say, read_lines
from routers.fusion_route.config import TrainingConfig


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Everything that a run trains on."""

    questions: tuple[Row, ...]
    chosen: tuple[Row, ...] = ()
    rejected: tuple[Row, ...] = ()

    def digest(self) -> str:
        """Hash all the tokens, in order."""
        seen = hashlib.sha256()
        for rows in (self.questions, self.chosen, self.rejected):
            for row in rows:
                seen.update(f"{row.prompt} {row.tokens};".encode())
            seen.update(b"|")
        return seen.hexdigest()


def load_data(
    config: TrainingConfig, tokenizer: PreTrainedTokenizerBase, context: int, say: Say
) -> TrainingData:
    """Read and tokenize what a run names.

    `context` is the smallest context of the members and the router, in tokens. Raises
    ConfigError for bad lines, and for rows that are too long where they are to be refused.
    """
    longest = min(context, config.longest_tokens or context)
    encoder = Encoder(tokenizer, longest)
    lines = read_lines(config.questions, Question, config.most_rows)
    rows = encoder.rows(lines, [line.answer for line in lines])
    questions = tuple(row for row in rows if encoder.fits(row))
    _judge_length(config, "questions", len(rows) - len(questions), len(rows), longest, say)
    if not config.preferences or not config.mixed.pairs:
        return TrainingData(questions)
    pairs = read_lines(config.preferences, Pair, config.most_rows)
    both = list(
        zip(
            encoder.rows(pairs, [pair.chosen for pair in pairs]),
            encoder.rows(pairs, [pair.rejected for pair in pairs]),
            strict=True,
        )
    )
    kept = [pair for pair in both if encoder.fits(pair[0]) and encoder.fits(pair[1])]
    _judge_length(config, "preferences", len(both) - len(kept), len(both), longest, say)
    return TrainingData(questions, tuple(a for a, _ in kept), tuple(b for _, b in kept))


def _judge_length(
    config: TrainingConfig, what: str, long: int, of: int, longest: int, say: Say
) -> None:
    if not long:
        return
    sentence = f"{what}: {long} of {of} rows have more than {longest} tokens"
    if config.too_long == "refuse" or long == of:
        raise ConfigError(
            f"{sentence}, the smallest context of the members (or `longest_tokens`).",
            hint="Shorten them, or leave them out with `too_long: skip`.",
        )
    say(f"{sentence} and are left out")
