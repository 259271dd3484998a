"""The loss of a training step: which expert is best alone, and what experts say together."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from aggregators.mixture_of_thoughts.data import TrainingData
from aggregators.mixture_of_thoughts.losses import (
    cost_cross_entropy,
    disagreement,
    entropy,
    gumbel,
    imbalance,
    preference,
)
from aggregators.mixture_of_thoughts.model import MixtureOfThoughts
from aggregators.mixture_of_thoughts.query_router import Choice, choose, listening, odds
from aggregators.mixture_of_thoughts.training_config import TrainingConfig
from experts.fused.training.tokens import sum_by_row, token_log_probs


class Precomputed(NamedTuple):
    """What is computed for all questions before the training."""

    embeddings: Tensor
    """[rows, dimension]"""
    costs: Tensor
    """[rows, M] nats that each member alone gives the answers."""


class ReadAnswers(NamedTuple):
    """The answers to B questions, N tokens in all, as the chosen experts predict them."""

    log_probs: Tensor
    """[N, V]"""
    nats: Tensor
    """[N] loss of each right token, in nats."""
    row: Tensor
    """[N] the question that a token belongs to."""
    questions: int

    def costs(self, worst: float) -> Tensor:
        """[B] mean nats of a token, none of which counts for more than `worst`."""
        nats = self.nats.detach().clamp(max=worst)
        return sum_by_row(nats, self.row, self.questions, length_norm=True)


class StepLoss:
    """The loss on some rows of the training data."""

    def __init__(
        self,
        config: TrainingConfig,
        model: MixtureOfThoughts,
        data: TrainingData,
        precomputed: Precomputed,
    ) -> None:
        self._config = config
        self._model = model
        self._data = data
        self._precomputed = precomputed
        self._lengths = torch.tensor([row.answer for row in data.rows])

    def __call__(self, rows: Sequence[int], done: float) -> tuple[Tensor, dict[str, float]]:
        """The loss on some rows, in nats, and what it is made of; `done` is 0 to 1 of the run.

        All rows teach the router which expert is best alone. An answer that one expert knows alone
        teaches it that no other is needed; on the rest, experts attend to each other.
        """
        index = torch.tensor(list(rows))
        scores = self._model.router(self._precomputed.embeddings[index])
        if not scores.members.isfinite().all():
            return scores.members.sum(), {}  # No expert can be chosen; the loop names the step.
        costs = self._precomputed.costs[index]
        known = costs.amin(-1) < self._config.known_nll
        alone = binary_cross_entropy_with_logits(scores.alone, known.float())
        each = costs / self._lengths[index, None]
        primary = cost_cross_entropy(
            scores.members, each, self._model.speakers, self._config.temperature
        )
        loss, measured = alone + primary, {"alone": alone.item(), "primary": primary.item()}
        if not known.all():
            heard = index[~known].tolist()
            together, more = self._together(heard, scores.members[~known], done)
            loss, measured = loss + together, measured | more
        return loss, measured

    def _together(
        self, rows: Sequence[int], scores: Tensor, done: float
    ) -> tuple[Tensor, dict[str, float]]:
        """The loss where experts attend to each other; `scores` [rows, M] are the router's."""
        # Towards the end the layers learn from the choices that will be served.
        noise = max(0.0, 1 - done / self._config.explore)
        choice = choose(scores, self._config.active, self._model.speakers, gumbel(scores, noise))
        first = self._read(rows, choice)
        language, uneven = first.nats.mean(), imbalance(choice.weights)
        loss = language + self._config.losses.balance * uneven
        measured = {"lm": language.item(), "imbalance": uneven.item(), "gate": self._gate()}
        if noise:
            compared, more = self._compare(rows, scores, choice, first, noise)
            loss, measured = loss + compared, measured | more
        return loss, measured

    def _compare(
        self, rows: Sequence[int], scores: Tensor, choice: Choice, first: ReadAnswers, noise: float
    ) -> tuple[Tensor, dict[str, float]]:
        """Read some rows with a second choice of experts, and learn which choice is better."""
        weights, worst, speakers = self._config.losses, self._config.worst_nll, self._model.speakers
        some = torch.arange(0, len(rows), self._config.compare_every)
        drawn = gumbel(scores[some], noise)
        other = choose(scores[some], self._config.active, speakers, drawn)
        second = self._read([rows[i] for i in some.tolist()], other)
        compared = preference(
            (first.costs(worst)[some], second.costs(worst)),
            (odds(scores, choice, speakers)[some], odds(scores[some], other, speakers)),
        )
        again = torch.isin(first.row, some)
        differing = disagreement(first.log_probs[again], second.log_probs, weights.temperature)
        spread = entropy(listening(scores, choice.primary))
        loss = second.nats.sum() / len(first.nats) + weights.comparison * compared
        loss = loss + weights.consistency * differing - noise * weights.entropy * spread
        return loss, {"entropy": spread.item(), "consistency": differing.item()}

    def _read(self, rows: Sequence[int], choice: Choice) -> ReadAnswers:
        batch, read = self._data.batch(rows)
        log_probs = self._model(read, batch.positions, choice).log_probs
        nats = -token_log_probs(log_probs, batch.targets)
        return ReadAnswers(log_probs, nats, batch.row, len(rows))

    def _gate(self) -> float:
        gates = [
            gate.detach().abs().mean()
            for name, gate in self._model.interactions.named_parameters()
            if name.endswith("primary_gate")
        ]
        return float(torch.stack(gates).mean())
