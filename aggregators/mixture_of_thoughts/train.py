"""Training of a Mixture of Thoughts: only the router and the interaction layers learn."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import Parameter
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import PreTrainedModel

from aggregators.mixture_of_thoughts.data import TrainingData, load_data
from aggregators.mixture_of_thoughts.knowing import answer_costs
from aggregators.mixture_of_thoughts.losses import (
    disagreement,
    entropy,
    gumbel,
    imbalance,
    likeness,
    preference,
)
from aggregators.mixture_of_thoughts.model import MixtureOfThoughts
from aggregators.mixture_of_thoughts.router import Choice, choose, listening, odds
from aggregators.mixture_of_thoughts.training_config import TrainingConfig
from experts.fused.folder.fingerprint import fingerprint
from experts.fused.training.batches import Order
from experts.fused.training.loop import SHARE, Loop, Stage
from experts.fused.training.models import (
    load_model,
    load_tokenizer,
    number_tokenizers,
    smallest_context,
)
from experts.fused.training.progress import Voice
from experts.fused.training.run import RunFolder, State
from experts.fused.training.tokens import sum_by_row, token_log_probs

Encode = Callable[[Sequence[str]], NDArray[np.float32]]
"""Sentence embeddings of texts: float32 [texts, dimension]."""

STAGE = "train"
EMBEDDED_AT_ONCE = 512


def train(
    config: TrainingConfig, folder: Path, encode: Encode, voice: Voice, cache: Path | None = None
) -> tuple[MixtureOfThoughts, State]:
    """Train as a file says, or go on where a stopped run left `folder`.

    What is computed before the training is kept in `cache`, by default a part of the folder.
    The same file, seed and number of threads give the same weights, whether or not the run was
    stopped on the way. Raises ConfigError for what cannot be trained.
    """
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads)
    voice.say("checking the members")
    models = {name: load_model(name, path) for name, path in config.members.items()}
    tokenizers = [load_tokenizer(path) for path in config.members.values()]
    numbers = number_tokenizers(tokenizers)
    different = [tokenizers[numbers.index(number)] for number in range(max(numbers) + 1)]
    voice.say("reading the training data")
    data = load_data(config, different, smallest_context(config.members.values()), voice.tell)
    digest = data.digest()
    run = _run_folder(config, folder, digest, cache)
    # Under the hash of the rows: other data in the same folder must not find these vectors.
    path = run.cache / f"embeddings-{digest[:24]}.npy"
    embeddings = _embed(data.questions, path, encode, voice)
    costs = answer_costs(
        models,
        [number == 0 for number in numbers],
        data.rows,
        config.most_batch_tokens,
        config.worst_nll,
        run.cache,
        [f"{digest} {fingerprint(place)}" for place in config.members.values()],
        voice.say,
    )
    model = build(config, models, embeddings.shape[-1], numbers)
    state, optimizer = run.resume(model)
    if optimizer is not None:
        voice.tell(f"going on after step {state.step}")
    Trainer(config, model, data, Known(embeddings, costs), run, voice).train(state, optimizer)
    model.eval()
    return model, state


def build(
    config: TrainingConfig,
    models: Mapping[str, PreTrainedModel],
    dimension: int,
    tokenizers: Sequence[int] | None = None,
) -> MixtureOfThoughts:
    """A new mixture over loaded members, for embeddings of `dimension` numbers.

    `tokenizers` as in `MixtureOfThoughts`.
    """
    return MixtureOfThoughts(
        models,
        config.stacks,
        config.interactions,
        config.shared_width,
        config.heads,
        dimension,
        config.dropout,
        config.attention,
        tokenizers,
    )


def _run_folder(config: TrainingConfig, folder: Path, data: str, cache: Path | None) -> RunFolder:
    members = [[name, fingerprint(path)] for name, path in config.members.items()]
    identity = {**config.trained(), "members": members, "data": data}
    return RunFolder(folder, [STAGE], identity, cache)


def _embed(texts: Sequence[str], path: Path, encode: Encode, voice: Voice) -> Tensor:
    """Embed every text once; kept at `path`, so that a stopped run does not do it again."""
    if path.exists():
        return torch.from_numpy(np.load(path))
    parts: list[NDArray[np.float32]] = []
    for start in range(0, len(texts), EMBEDDED_AT_ONCE):
        parts.append(encode(texts[start : start + EMBEDDED_AT_ONCE]))
        voice.say(f"{min(start + EMBEDDED_AT_ONCE, len(texts))} of {len(texts)} questions embedded")
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".tmp.npy")
    np.save(unfinished, np.concatenate(parts))
    unfinished.replace(path)
    return torch.from_numpy(np.load(path))


def _named(model: MixtureOfThoughts, gates: bool) -> list[Parameter]:
    """The gates of the interaction layers, or everything else in them."""
    return [
        parameter
        for name, parameter in model.interactions.named_parameters()
        if name.endswith("_gate") == gates
    ]


class Known(NamedTuple):
    """What is known of all questions before the training."""

    embeddings: Tensor
    """[rows, dimension]"""
    costs: Tensor
    """[rows, M] nats of the answers, by each member alone."""


class Reading(NamedTuple):
    """The answers to B questions, N tokens, as read by those who were chosen."""

    log_probs: Tensor
    """[N, V]"""
    nats: Tensor
    """[N] of the right tokens."""
    row: Tensor
    """[N] which question a token belongs to."""
    questions: int

    def costs(self, worst: float) -> Tensor:
        """[B] mean nats of a token, none of which counts for more than `worst`."""
        nats = self.nats.detach().clamp(max=worst)
        return sum_by_row(nats, self.row, self.questions, length_norm=True)


class Trainer:
    """The steps of a run."""

    def __init__(
        self,
        config: TrainingConfig,
        model: MixtureOfThoughts,
        data: TrainingData,
        known: Known,
        run: RunFolder,
        voice: Voice,
    ) -> None:
        self._config = config
        self._model = model
        self._data = data
        self._known = known
        self._run = run
        self._voice = voice
        self._optimizer = torch.optim.AdamW(
            [
                {"params": _named(model, gates=False), SHARE: 1.0},
                {"params": _named(model, gates=True), SHARE: config.gate_rate},
                {"params": list(model.router.parameters()), SHARE: config.router_rate},
            ],
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self._lengths = torch.tensor([row.answer for row in data.rows])
        lengths = [len(row.tokens) for row in data.rows]
        self._order = Order(lengths, config.batch, config.sort_window, f"thoughts {config.seed}")

    def train(self, state: State, optimizer: dict[str, object] | None) -> None:
        """Take the remaining steps."""
        if optimizer is not None:
            self._optimizer.load_state_dict(optimizer)
        config = self._config
        stage = Stage(
            name=STAGE,
            steps=config.steps,
            learning_rate=config.learning_rate,
            warmup=config.warmup,
            final=config.final,
            clip=config.clip,
            log_steps=config.log_steps,
            checkpoint_s=config.checkpoint_s,
        )
        # A router that is far from sure has large gradients, which must not stop the layers.
        parts = (self._model.interactions, self._model.router)
        loop = Loop(stage, self._model, self._optimizer, self._run, self._voice, parts)
        loop.go(state, lambda step: self.loss(self._order.rows(step), step / config.steps))

    def loss(self, rows: Sequence[int], done: float) -> tuple[Tensor, dict[str, float]]:
        """The loss on some rows, in nats, and what it is made of; `done` is 0 to 1 of the run.

        All rows teach the router who is best alone. An answer that is known alone teaches it that
        nobody else is needed; at the others experts hear each other.
        """
        index = torch.tensor(list(rows))
        scores = self._model.router(self._known.embeddings[index])
        if not scores.members.isfinite().all():
            return scores.members.sum(), {}  # Nobody can be chosen; the loop names the step.
        costs = self._known.costs[index]
        known = costs.amin(-1) < self._config.known_nll
        alone = binary_cross_entropy_with_logits(scores.alone, known.float())
        each = costs / self._lengths[index, None]
        primary = likeness(scores.members, each, self._model.speakers, self._config.temperature)
        loss, measured = alone + primary, {"alone": alone.item(), "primary": primary.item()}
        if not known.all():
            heard = index[~known].tolist()
            together, more = self._together(heard, scores.members[~known], done)
            loss, measured = loss + together, measured | more
        return loss, measured

    def _together(
        self, rows: Sequence[int], scores: Tensor, done: float
    ) -> tuple[Tensor, dict[str, float]]:
        """The loss where experts hear each other; `scores` [rows, M] are the router's."""
        # Towards the end the layers learn from those choices that will be served.
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
        self, rows: Sequence[int], scores: Tensor, choice: Choice, first: Reading, noise: float
    ) -> tuple[Tensor, dict[str, float]]:
        """Let some rows be answered in a second choice, and learn which one is better."""
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

    def _read(self, rows: Sequence[int], choice: Choice) -> Reading:
        batch, read = self._data.batch(rows)
        log_probs = self._model(read, batch.positions, choice).log_probs
        nats = -token_log_probs(log_probs, batch.targets)
        return Reading(log_probs, nats, batch.row, len(rows))

    def _gate(self) -> float:
        gates = [
            gate.detach().abs().mean()
            for name, gate in self._model.interactions.named_parameters()
            if name.endswith("primary_gate")
        ]
        return float(torch.stack(gates).mean())
