"""Training of FusionRoute: supervised fine-tuning, then preferences mixed with it."""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from routers.fusion_route.checkpoint import RunFolder, State
from routers.fusion_route.config import StageConfig, TrainingConfig
from routers.fusion_route.data import Batch, Order, Row, TrainingData, collate, load_data
from routers.fusion_route.losses import (
    chosen_expert,
    chosen_log_probs,
    complemented_dpo,
    expert_loss,
    log_normalizer,
    sum_by_row,
    token_log_probs,
)
from routers.fusion_route.model import (
    FusionRouter,
    Members,
    check_tokenizers,
    load_members,
    load_model,
    load_tokenizer,
    smallest_context,
)
from routers.fusion_route.precompute import Judgements, judge, split
from routers.fusion_route.progress import Voice

STAGES = ("sft", "mixed")


@dataclass(frozen=True, slots=True)
class Prepared:
    """What both stages train on."""

    data: TrainingData
    questions: Judgements
    pairs: Judgements | None
    """Of the chosen answers, then of the rejected ones."""
    members: Members | None
    """Only where the losses need whole distributions of the experts."""


def check_members(config: TrainingConfig) -> None:
    """Raise ConfigError for members that can not work together."""
    tokenizers = {name: load_tokenizer(path) for name, path in config.members.items()}
    check_tokenizers(load_tokenizer(config.router), tokenizers)


def train(config: TrainingConfig, folder: Path, voice: Voice) -> tuple[FusionRouter, State]:
    """Train as a file says, or go on where a stopped run left `folder`.

    The same file, seed and number of threads give the same weights, whether or not the run was
    stopped on the way. Raises ConfigError for what can not be trained.
    """
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads)
    voice.say("checking the members")
    # A model first: a folder that holds none is named before its tokenizer is missed.
    model = FusionRouter(load_model("router", config.router), len(config.members))
    for name, path in config.members.items():
        load_model(name, path)
    check_members(config)
    context = smallest_context([config.router, *config.members.values()])
    voice.say("reading the training data")
    data = load_data(config, load_tokenizer(config.router), context, voice.tell)
    run = RunFolder(folder, config, data.digest())
    state, saved = _resume(run, model)
    if saved:
        voice.tell(f"going on after step {state.step} of the {state.stage} stage")
    clock = _Clock(state)
    prepared = prepare(config, data, run.cache, voice)
    clock.stop()
    for stage in STAGES[STAGES.index(state.stage) :]:
        trainer = Trainer(config, stage, model, prepared, run, voice)
        trainer.train(state, saved["optimizer"] if saved and state.stage == stage else None)
        saved = None
    model.eval()
    return model, state


def prepare(config: TrainingConfig, data: TrainingData, cache: Path, voice: Voice) -> Prepared:
    """Let the experts read all the answers."""
    every = config.informative == "all"
    settings = (cache, config.most_batch_tokens, voice.say, every)
    answers = (*data.chosen, *data.rejected)
    live = bool(answers) and config.preference.use_normalizer
    return Prepared(
        data=data,
        questions=judge(config.members, data.questions, *settings),
        pairs=judge(config.members, answers, *settings) if answers else None,
        members=load_members(config.members) if live else None,
    )


def _resume(run: RunFolder, model: FusionRouter) -> tuple[State, dict[str, Any] | None]:
    saved = run.load()
    if saved is None:
        run.forget_metrics_after(STAGES[0], 0)
        return State(), None
    model.load_state_dict(saved["model"])
    torch.set_rng_state(saved["rng"])
    keys = ("stage", "step", "seconds", "cpu_seconds", "reference")
    state = State(**{key: saved[key] for key in keys})
    run.forget_metrics_after(state.stage, state.step)
    return state, saved


class _Clock:
    """Adds the time until `stop` to a state."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._wall, self._cpu = time.monotonic(), time.process_time()

    def stop(self) -> None:
        """Count the time since the last call, or since the beginning."""
        wall, cpu = time.monotonic(), time.process_time()
        self._state.seconds += wall - self._wall
        self._state.cpu_seconds += cpu - self._cpu
        self._wall, self._cpu = wall, cpu


def learning_rate(stage: StageConfig, step: int) -> float:
    """Give the rate of a step, counted from 0: up to the peak, then down in a line."""
    rising = stage.warmup * stage.steps
    if step < rising:
        return stage.learning_rate * (step + 1) / (rising + 1)
    rest = (step - rising) / max(1.0, stage.steps - rising)
    return stage.learning_rate * (1 - (1 - stage.final) * rest)


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
            model.parameters(),
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
            state.stage, state.step, state.reference = self._name, 0, None
        clock = _Clock(state)
        self._reference = state.reference
        if self._pair_order is not None and state.reference is None and self._stage.steps:
            state.reference = self.measure_reference()
        sums: defaultdict[str, float] = defaultdict(float)
        saved = time.monotonic()
        self._model.train()
        for step in range(state.step, self._stage.steps):
            for name, value in self._step(step).items():
                sums[name] += value
            clock.stop()
            state.step = step + 1
            last = state.step == self._stage.steps
            if state.step % self._config.log_steps == 0 or last:
                count = (state.step - 1) % self._config.log_steps + 1
                self._log(state, {name: value / count for name, value in sums.items()})
                sums.clear()
            # Between two lines of metrics a resumed run would not know their beginning.
            due = time.monotonic() - saved >= self._config.checkpoint_s
            if last or (due and not sums):
                self._run.save(state, self._model, self._optimizer)
                saved = time.monotonic()
            self._voice.say(f"{self._name}: step {state.step} of {self._stage.steps}")

    def _log(self, state: State, means: dict[str, float]) -> None:
        rate = learning_rate(self._stage, state.step - 1)
        measured = {name: round(value, 5) for name, value in means.items()}
        times = {"seconds": round(state.seconds, 1), "cpu_seconds": round(state.cpu_seconds, 1)}
        place = {"stage": self._name, "step": state.step, "learning_rate": rate}
        self._run.log({**place, **times, **measured})
        numbers = ", ".join(f"{name} {value:.3f}" for name, value in measured.items())
        self._voice.say(f"{self._name}: step {state.step} of {self._stage.steps}, {numbers}")

    def _step(self, step: int) -> dict[str, float]:
        """Take one step on questions and pairs together; returns what it measured."""
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(self._stage, step)
        loss, measured = self.on_questions(self._order.rows(step))
        if self._pair_order is not None:
            pairs = self._pair_order.rows(step)
            preference, more = self.on_pairs(pairs)
            weight = self._config.preference.weight * len(pairs)
            loss = (loss * self._stage.batch + preference * weight) / (self._stage.batch + weight)
            measured |= more
        torch.autograd.backward([loss])
        nn.utils.clip_grad_norm_(self._model.parameters(), self._config.optimizer.clip)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return {"loss": loss.item(), **measured}

    def on_questions(self, rows: Sequence[int]) -> tuple[Tensor, dict[str, float]]:
        """Compute L_LM + lambda L_expert (section 3.2)."""
        batch = collate([self.prepared.data.questions[row] for row in rows])
        nll, informative = self.prepared.questions.take(rows)
        log_probs, routes = self._model(batch.tokens, batch.positions)
        language = -token_log_probs(log_probs, batch.targets).mean()
        routing = expert_loss(routes, nll, informative, batch.row)
        chosen = -chosen_log_probs(routes, nll)[informative]
        best = nll.min(-1).values[informative]
        measured = {
            "lm": language.item(),
            "expert": routing.item(),
            "chosen_nll": chosen.mean().item() if len(chosen) else 0.0,
            "best_nll": best.mean().item() if len(best) else 0.0,
        }
        return language + self._config.lambda_expert * routing, measured

    def on_pairs(self, pairs: Sequence[int]) -> tuple[Tensor, dict[str, float]]:
        """Compute the complemented DPO loss (section 3.3); the head gets no gradient."""
        assert self._reference is not None
        batch, nll = self._pair_batch(pairs)
        policy, experts = self._policy(batch, nll)
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

    def _pair_batch(self, pairs: Sequence[int]) -> tuple[Batch, Tensor]:
        """Put the chosen answers first, then the rejected ones; with the experts' nll."""
        data, judged = self.prepared.data, self.prepared.pairs
        assert judged is not None
        rows: list[Row] = [data.chosen[pair] for pair in pairs]
        rows += [data.rejected[pair] for pair in pairs]
        nll, _ = judged.take([*pairs, *(pair + len(data.chosen) for pair in pairs)])
        return collate(rows), nll

    def _policy(self, batch: Batch, nll: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities of whole answers, the router's and the chosen experts'."""
        settings = self._config.preference
        log_probs, routes = self._model(batch.tokens, batch.positions)
        policy = token_log_probs(log_probs, batch.targets)
        if self.prepared.members is not None:
            choice = chosen_expert(routes)
            experts = self.prepared.members.chosen(batch.tokens, batch.positions, choice)
            policy = policy - log_normalizer(log_probs, experts)
        count = len(batch.tokens)
        return (
            sum_by_row(policy, batch.row, count, settings.length_norm),
            sum_by_row(chosen_log_probs(routes, nll), batch.row, count, settings.length_norm),
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
