"""Training of a Mixture of Thoughts: only the router and the interaction layers learn."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import PreTrainedModel

from aggregators.mixture_of_thoughts.config import TrainingConfig
from aggregators.mixture_of_thoughts.data import TrainingData, load_data
from aggregators.mixture_of_thoughts.knowing import answer_costs
from aggregators.mixture_of_thoughts.losses import (
    disagreement,
    entropy,
    gumbel,
    imbalance,
    straight_through,
)
from aggregators.mixture_of_thoughts.model import MixtureOfThoughts
from aggregators.mixture_of_thoughts.router import Choice, choose
from experts.training.data import Order
from experts.training.loop import SHARE, Loop, Stage
from experts.training.models import (
    load_model,
    load_tokenizer,
    number_tokenizers,
    smallest_context,
)
from experts.training.progress import Voice
from experts.training.run import RunFolder, State
from experts.vllm.composite.fingerprint import fingerprint

Encode = Callable[[Sequence[str]], NDArray[np.float32]]
"""Sentence embeddings of texts: float32 [texts, dimension]."""

STAGE = "train"
EMBEDDED_AT_ONCE = 512


def train(
    config: TrainingConfig, folder: Path, encode: Encode, voice: Voice
) -> tuple[MixtureOfThoughts, State]:
    """Train as a file says, or go on where a stopped run left `folder`.

    The same file, seed and number of threads give the same weights, whether or not the run was
    stopped on the way. Raises ConfigError for what can not be trained.
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
    run = _run_folder(config, folder, digest)
    # Under the hash of the rows: other data in the same folder must not find these vectors.
    path = run.cache / f"embeddings-{digest[:24]}.npy"
    embeddings = _embed(data.questions, path, encode, voice)
    members = "".join(fingerprint(place) for place in config.members.values())
    costs = answer_costs(
        models,
        [number == 0 for number in numbers],
        data.rows,
        config.most_batch_tokens,
        run.cache,
        f"{digest} {members}",
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


def _run_folder(config: TrainingConfig, folder: Path, data: str) -> RunFolder:
    members = [[name, fingerprint(path)] for name, path in config.members.items()]
    return RunFolder(folder, [STAGE], {**config.trained(), "members": members, "data": data})


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


class Known(NamedTuple):
    """What is known of all questions before the training."""

    embeddings: Tensor
    """[rows, dimension]"""
    costs: Tensor
    """[rows, M] nats of the answers, by each member alone."""


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
                {"params": list(model.interactions.parameters()), SHARE: 1.0},
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
        loop = Loop(stage, self._model, self._optimizer, self._run, self._voice)
        loop.go(state, lambda step: self.loss(self._order.rows(step), step / config.steps))

    def loss(self, rows: Sequence[int], done: float) -> tuple[Tensor, dict[str, float]]:
        """The loss on some rows, in nats, and what it is made of; `done` is 0 to 1 of the run.

        An answer that a member knows alone teaches the router who that is, and that it needs
        nobody. At the others experts hear each other.
        """
        index = torch.tensor(list(rows))
        scores = self._model.router(self._known.embeddings[index])
        if not scores.members.isfinite().all():
            return scores.members.sum(), {}  # Nobody can be chosen; the loop names the step.
        costs = self._known.costs[index]
        known = costs.amin(-1) <= self._config.known_nll
        alone = binary_cross_entropy_with_logits(scores.alone, known.float())
        loss, measured = alone, {"alone": alone.item()}
        if known.any():
            lengths = self._lengths[index][known, None]
            worst = self._config.worst_nll
            each = (costs[known] / lengths).clamp(max=worst)
            routing = (scores.members[known].softmax(-1) * each).sum(-1).mean()
            loss = loss + routing
            measured["routing"] = routing.item()
        if not known.all():
            heard = [
                row for row, is_known in zip(rows, known.tolist(), strict=True) if not is_known
            ]
            together, more = self._together(heard, scores.members[~known], done)
            loss, measured = loss + together, measured | more
        return loss, measured

    def _together(
        self, rows: Sequence[int], scores: Tensor, done: float
    ) -> tuple[Tensor, dict[str, float]]:
        """The loss where experts hear each other; `scores` [rows, M] are the router's."""
        weights = self._config.losses
        batch, read = self._data.batch(rows)
        noisy = gumbel(scores)
        choice = choose(scores, self._config.active, self._model.speakers, noisy)
        heard = self._model(read, batch.positions, choice, batch.targets)
        language = -heard.log_probs.gather(-1, batch.targets[:, None]).mean()
        worse = -heard.right.clamp(min=-self._config.worst_nll)
        routing = straight_through(choice.speaks[batch.row], worse)
        spread, uneven = entropy(scores), imbalance(choice.weights)
        # Who is good alone is soon known; who is good with whom only when the layers have learned.
        tried = (1 - done) * weights.entropy * spread
        loss = language + routing - tried + weights.balance * uneven
        measured = {
            "lm": language.item(),
            "entropy": spread.item(),
            "imbalance": uneven.item(),
            "gate": self._gate(),
        }
        if weights.consistency:
            differing = self._consistency(rows, scores, choice, heard.log_probs, batch.row)
            loss = loss + weights.consistency * differing
            measured["consistency"] = differing.item()
        return loss, measured

    def _consistency(
        self, rows: Sequence[int], scores: Tensor, choice: Choice, first: Tensor, row: Tensor
    ) -> Tensor:
        """Let a share of the rows be answered by the same primaries with newly drawn peers."""
        count = max(1, round(len(rows) * self._config.losses.consistency_share))
        primary = choice.primary[:count, None]
        again = gumbel(scores[:count])
        again = again.scatter(-1, primary, again.amax(-1, keepdim=True) + 1.0)
        other = choose(scores[:count], self._config.active, self._model.speakers, again)
        batch, read = self._data.batch(rows[:count])
        second = self._model(read, batch.positions, other)
        return disagreement(first[row < count], second.log_probs, self._config.losses.temperature)

    def _gate(self) -> float:
        gates = [
            gate.detach().abs().mean()
            for name, gate in self._model.interactions.named_parameters()
            if name.endswith("primary_gate")
        ]
        return float(torch.stack(gates).mean())
