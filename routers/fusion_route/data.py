"""The training data of FusionRoute, as tokens, with checks that its members can read it."""

from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from experts.fused.training.encoding import Encoder, Row, Say, digest_rows, keep_fitting
from experts.fused.training.questions import Pair, Question, read_lines
from routers.fusion_route.training_config import TrainingConfig


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Everything that a run trains on."""

    questions: tuple[Row, ...]
    chosen: tuple[Row, ...] = ()
    rejected: tuple[Row, ...] = ()

    def digest(self) -> str:
        """Hash all the tokens, in order."""
        return digest_rows(self.questions, self.chosen, self.rejected)


def load_data(
    config: TrainingConfig, tokenizer: PreTrainedTokenizerBase, context: int, say: Say
) -> TrainingData:
    """Read and tokenize what a run names.

    `context` is the smallest context of the members and the router, in tokens. Raises
    ConfigError for bad lines, and for rows that are too long where they are to be refused.
    """
    longest = min(context, config.longest_tokens or context)
    encoder = Encoder(tokenizer, longest)
    skip = config.too_long == "skip"
    lines = read_lines(config.questions, Question, config.most_rows)
    rows = encoder.rows(lines, [line.answer for line in lines])
    kept = keep_fitting(encoder, [rows], "questions", skip, say)
    questions = tuple(rows[index] for index in kept)
    if not config.preferences or not config.mixed.pairs:
        return TrainingData(questions)
    pairs = read_lines(config.preferences, Pair, config.most_rows)
    chosen = encoder.rows(pairs, [pair.chosen for pair in pairs])
    rejected = encoder.rows(pairs, [pair.rejected for pair in pairs])
    kept = keep_fitting(encoder, [chosen, rejected], "preferences", skip, say)
    return TrainingData(
        questions,
        tuple(chosen[index] for index in kept),
        tuple(rejected[index] for index in kept),
    )
