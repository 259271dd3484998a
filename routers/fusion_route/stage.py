"""One stage of training: its losses, its steps, its checkpoints."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from experts.fused.training.batches import Batch, Order, collate, split
from experts.fused.training.encoding import Row
from experts.fused.training.loop import SHARE, Loop, Stage
from experts.fused.training.progress import Voice
from experts.fused.training.run import Clock, RunFolder, State
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
from routers.fusion_route.precompute import Judgements
from routers.fusion_route.training_config import StageConfig, TrainingConfig

REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a stage trains on."""

    data: TrainingData
    questions: Judgements
    pairs: Judgements | None = None
    """Of the chosen answers, then of the rejected ones."""


class Trainer:
    """One stage of a run."""

    def __init__(
        self,
        config: TrainingConfig,
        stage: str,
        model: FusionRouter,
        prepared: Prepared,
        run: RunFolder,
        voice: Voice,
    ) -> None:
        self._config = config
        self._name = stage
        self._stage: StageConfig = getattr(config, stage)
        self._model = model
        self.prepared = prepared
        self._run = run
        self._voice = voice
        self._reference: Tensor | None = None
        settings = config.optimizer
        self._optimizer = torch.optim.AdamW(
            [
                {"params": list(model.router.parameters()), SHARE: 1.0},
                {"params": list(model.route_head.parameters()), SHARE: settings.head_rate},
            ],
            lr=self._stage.learning_rate,
            weight_decay=settings.weight_decay,
            betas=(settings.beta1, settings.beta2),
            fused=True,
        )
        seed = f"{stage} {config.seed}"
        data, window = prepared.data, config.sort_window
        lengths = [len(row.tokens) for row in data.questions]
        self._order = Order(lengths, self._stage.batch, window, f"questions {seed}")
        self._pair_order: Order | None = None
        if self._stage.pairs and data.chosen:
            rows = zip(data.chosen, data.rejected, strict=True)
            sums = [len(chosen.tokens) + len(rejected.tokens) for chosen, rejected in rows]
            self._pair_order = Order(sums, self._stage.pairs, window, f"pairs {seed}")

    def train(self, state: State, optimizer: dict[str, Any] | None) -> None:
        """Take the stage's remaining steps, with an optimiser's state where one was saved."""
        if optimizer is not None:
            self._optimizer.load_state_dict(optimizer)
        else:
            state.stage, state.step, state.kept = self._name, 0, {}
        self._reference = state.kept.get(REFERENCE)
        if self._pair_order is not None and self._reference is None:
            clock = Clock(state)
            state.kept[REFERENCE] = self.measure_reference()
            clock.stop()
        config, stage = self._config, self._stage
        lasting = Stage(
            name=self._name,
            steps=stage.steps,
            learning_rate=stage.learning_rate,
            warmup=stage.warmup,
            final=stage.final,
            clip=config.optimizer.clip,
            log_steps=config.log_steps,
            checkpoint_s=config.checkpoint_s,
        )
        loop = Loop(lasting, self._model, self._optimizer, self._run, self._voice)
        loop.go(state, self.loss)

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """The loss of a step, counted from 0, on questions and pairs together."""
        loss, measured = self.on_questions(self._order.rows(step))
        if self._pair_order is None:
            return loss, measured
        pairs = self._pair_order.rows(step)
        preference, more = self.on_pairs(pairs)
        weight = self._config.preference.weight * len(pairs)
        both = (loss * self._stage.batch + preference * weight) / (self._stage.batch + weight)
        return both, measured | more

    def on_questions(self, rows: Sequence[int]) -> tuple[Tensor, dict[str, float]]:
        """Compute L_LM + lambda L_expert (section 3.2); L_LM as `language` says."""
        batch = collate([self.prepared.data.questions[row] for row in rows])
        judged = self.prepared.questions.take(rows)
        log_probs, routes = self._model(batch.tokens, batch.positions)
        own = token_log_probs(log_probs, batch.targets)
        experts = judged.distribution(chosen_expert(routes), batch.targets, log_probs.shape[-1])
        heard = _heard(log_probs, experts, batch)
        nll, informative = judged.nll, judged.informative
        language = self._language(log_probs, experts, own, heard, nll, batch)
        bounded = nll.clamp(max=self._config.worst_nll)
        routing = expert_loss(routes, bounded, informative, batch.row)
        chosen = -chosen_log_probs(routes, nll)[informative]
        best = nll.min(-1).values[informative]
        measured = {
            "lm": -own.mean().item(),
            "fused": -heard.mean().item(),
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
        heard: Tensor,
        nll: Tensor,
        batch: Batch,
    ) -> Tensor:
        """The loss on answers, as `language`, `unknown_nll`, `quiet` and `known_nll` say."""
        if self._config.language == "router":
            return -own.mean()
        loss = -heard
        if self._config.unknown_nll is not None:
            unknown = nll.min(-1).values > self._config.unknown_nll
            loss = loss + torch.where(unknown, -own, 0.0)
        if self._config.quiet:
            known = known_answers(nll, batch.row, len(batch.tokens), self._config.known_nll)
            price = self._config.quiet * disturbance(log_probs, experts)
            loss = torch.where(known, price, loss)
        return loss.mean()

    def on_pairs(self, pairs: Sequence[int]) -> tuple[Tensor, dict[str, float]]:
        """Compute the complemented DPO loss (section 3.3); the head gets no gradient."""
        assert self._reference is not None
        policy, experts = self._policy(*self._pair_batch(pairs))
        count = len(pairs)
        reference = self._reference[list(pairs)]
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

    def _pair_batch(self, pairs: Sequence[int]) -> tuple[Batch, Judgements]:
        """Put the chosen answers first, then the rejected ones; with the experts' judgements."""
        data, judged = self.prepared.data, self.prepared.pairs
        assert judged is not None
        rows: list[Row] = [data.chosen[pair] for pair in pairs]
        rows += [data.rejected[pair] for pair in pairs]
        return collate(rows), judged.take([*pairs, *(pair + len(data.chosen) for pair in pairs)])

    def _policy(self, batch: Batch, judged: Judgements) -> tuple[Tensor, Tensor]:
        """Log-probabilities of whole answers, the router's and the chosen experts'."""
        settings = self._config.preference
        log_probs, routes = self._model(batch.tokens, batch.positions)
        experts = chosen_log_probs(routes, judged.nll)
        if settings.use_normalizer:
            choice = chosen_expert(routes)
            whole = judged.distribution(choice, batch.targets, log_probs.shape[-1])
            policy = _heard(log_probs, whole, batch) - experts
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
        self._reference = result.view(2, -1).T.contiguous()
        return self._reference


def _heard(router: Tensor, experts: Tensor, batch: Batch) -> Tensor:
    """The log-probabilities of the right tokens [N] under the fused policy (section 3.1)."""
    both = token_log_probs(router + experts, batch.targets)
    return both - log_normalizer(router, experts)
