"""What a stage of FusionRoute's training minimises: the loss on questions and that on pairs."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from experts.fused.training.batches import Batch, collate, split
from experts.fused.training.encoding import Row
from experts.fused.training.progress import Voice
from experts.fused.training.tokens import sum_by_row, token_log_probs
from routers.fusion_route.data import TrainingData
from routers.fusion_route.losses import (
    chosen_expert,
    chosen_log_probs,
    complemented_dpo,
    disturbance,
    expert_loss,
    known_answers,
    log_normalizer,
)
from routers.fusion_route.model import FusionRouter
from routers.fusion_route.precompute import ExpertLogProbs
from routers.fusion_route.training_config import TrainingConfig


@dataclass(frozen=True, slots=True)
class StageData:
    """The rows that a stage trains on, and what the frozen experts give them."""

    data: TrainingData
    questions: ExpertLogProbs
    pairs: ExpertLogProbs | None = None
    """Of the chosen answers, then of the rejected ones."""


class StageLosses:
    """The losses of a stage, as functions of row numbers of its data."""

    def __init__(
        self, config: TrainingConfig, model: FusionRouter, prepared: StageData, voice: Voice
    ) -> None:
        self._config = config
        self._model = model
        self.prepared = prepared
        self._voice = voice
        self.reference: Tensor | None = None
        """[pairs, 2] log-probabilities before the stage; `measure_reference` sets it."""

    def on_questions(self, rows: Sequence[int]) -> tuple[Tensor, dict[str, float]]:
        """Compute L_LM + lambda L_expert (section 3.2); L_LM as `language` says."""
        batch = collate([self.prepared.data.questions[row] for row in rows])
        known = self.prepared.questions.take(rows)
        log_probs, routes = self._model(batch.tokens, batch.positions)
        own = token_log_probs(log_probs, batch.targets)
        experts = known.distribution(chosen_expert(routes), batch.targets, log_probs.shape[-1])
        fused = _fused_log_probs(log_probs, experts, batch)
        nll, informative = known.nll, known.informative
        language = self._language(log_probs, experts, own, fused, nll, batch)
        bounded = nll.clamp(max=self._config.worst_nll)
        routing = expert_loss(routes, bounded, informative, batch.row)
        chosen = -chosen_log_probs(routes, nll)[informative]
        best = nll.min(-1).values[informative]
        measured = {
            "lm": -own.mean().item(),
            "fused": -fused.mean().item(),
            "expert": routing.item(),
            "chosen_nll": chosen.mean().item() if len(chosen) else 0.0,
            "best_nll": best.mean().item() if len(best) else 0.0,
        }
        return language + self._config.lambda_expert * routing, measured

    def _language(
        self,
        log_probs: Tensor,
        experts: Tensor,
        own: Tensor,
        fused: Tensor,
        nll: Tensor,
        batch: Batch,
    ) -> Tensor:
        """The loss on answers, as `language`, `unknown_nll`, `quiet` and `known_nll` say."""
        if self._config.language == "router":
            return -own.mean()
        loss = -fused
        if self._config.unknown_nll is not None:
            unknown = nll.min(-1).values > self._config.unknown_nll
            loss = loss + torch.where(unknown, -own, 0.0)
        if self._config.quiet:
            whole = known_answers(nll, batch.row, len(batch.tokens), self._config.known_nll)
            price = self._config.quiet * disturbance(log_probs, experts)
            loss = torch.where(whole, price, loss)
        return loss.mean()

    def on_pairs(self, pairs: Sequence[int]) -> tuple[Tensor, dict[str, float]]:
        """Compute the complemented DPO loss (section 3.3); the head gets no gradient."""
        assert self.reference is not None
        policy, experts = self._policy(*self._pair_batch(pairs))
        count = len(pairs)
        reference = self.reference[list(pairs)]
        if not self._config.preference.complement:
            experts = torch.zeros_like(experts)
        done = complemented_dpo(
            (policy[:count], policy[count:]),
            (reference[:, 0], reference[:, 1]),
            (experts[:count], experts[count:]),
            self._config.preference.beta,
        )
        size = done.bias.abs()
        measured = {
            "cdpo": done.loss.item(),
            "preferred": done.right.item(),
            "bias": done.bias.mean().item(),
            **{f"bias_q{q}": size.quantile(q / 100).item() for q in (10, 50, 90)},
        }
        return done.loss, measured

    def _pair_batch(self, pairs: Sequence[int]) -> tuple[Batch, ExpertLogProbs]:
        """The chosen answers, then the rejected ones, with what the experts give them."""
        data, known = self.prepared.data, self.prepared.pairs
        assert known is not None
        rows: list[Row] = [data.chosen[pair] for pair in pairs]
        rows += [data.rejected[pair] for pair in pairs]
        return collate(rows), known.take([*pairs, *(pair + len(data.chosen) for pair in pairs)])

    def _policy(self, batch: Batch, known: ExpertLogProbs) -> tuple[Tensor, Tensor]:
        """Log-probabilities of whole answers, the router's and the chosen experts'."""
        settings = self._config.preference
        log_probs, routes = self._model(batch.tokens, batch.positions)
        experts = chosen_log_probs(routes, known.nll)
        if settings.use_normalizer:
            choice = chosen_expert(routes)
            whole = known.distribution(choice, batch.targets, log_probs.shape[-1])
            policy = _fused_log_probs(log_probs, whole, batch) - experts
        else:
            policy = token_log_probs(log_probs, batch.targets)
        count = len(batch.tokens)
        return (
            sum_by_row(policy, batch.row, count, settings.length_norm),
            sum_by_row(experts, batch.row, count, settings.length_norm),
        )

    @torch.no_grad()
    def measure_reference(self) -> Tensor:
        """Take the router as it is now, without any expert, for the reference of `on_pairs`.

        Returns its log-probabilities of the chosen and of the rejected answers: [pairs, 2].
        """
        data = self.prepared.data
        answers = (*data.chosen, *data.rejected)
        result = torch.zeros(len(answers))
        self._model.eval()
        done = 0
        for indices in split(answers, self._config.most_batch_tokens):
            batch = collate([answers[index] for index in indices])
            log_probs, _ = self._model(batch.tokens, batch.positions)
            values = token_log_probs(log_probs, batch.targets)
            norm = self._config.preference.length_norm
            result[indices] = sum_by_row(values, batch.row, len(indices), norm)
            done += len(indices)
            self._voice.say(f"the reference has read {done} of {len(answers)} answers")
        self.reference = result.view(2, -1).T.contiguous()
        return self.reference


def _fused_log_probs(router: Tensor, experts: Tensor, batch: Batch) -> Tensor:
    """The log-probabilities of the right tokens [N] under the fused policy (section 3.1)."""
    both = token_log_probs(router + experts, batch.targets)
    return both - log_normalizer(router, experts)
