"""Training of a Mixture of Thoughts: only the query router and the interaction layers learn."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from aggregators.mixture_of_thoughts.answer_costs import answer_costs
from aggregators.mixture_of_thoughts.data import load_data
from aggregators.mixture_of_thoughts.model import MixtureOfThoughts
from aggregators.mixture_of_thoughts.save import all_roles
from aggregators.mixture_of_thoughts.step_loss import Precomputed
from aggregators.mixture_of_thoughts.trainer import STAGE, Trainer
from aggregators.mixture_of_thoughts.training_config import TrainingConfig
from experts.fused.folder.fingerprint import fingerprint
from experts.fused.folder.write import check_roles
from experts.fused.training.models import (
    load_model,
    load_tokenizer,
    number_tokenizers,
    smallest_context,
)
from experts.fused.training.progress import Voice
from experts.fused.training.run import RunFolder, State

Encode = Callable[[Sequence[str]], NDArray[np.float32]]
"""Sentence embeddings of texts: float32 [texts, dimension]."""

EMBEDDED_AT_ONCE = 512


def train(
    config: TrainingConfig, folder: Path, encode: Encode, voice: Voice, cache: Path | None = None
) -> tuple[MixtureOfThoughts, State]:
    """Train as configured, or resume the stopped run in `folder`.

    What is computed before the training is kept in `cache`, by default inside `folder`. The same
    file, seed and number of threads give the same weights, whether or not the run was stopped in
    between. Raises ConfigError for what cannot be trained.
    """
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads)
    voice.say("checking the members")
    models = {name: load_model(name, path) for name, path in config.members.items()}
    tokenizers = [load_tokenizer(path) for path in config.members.values()]
    numbers = number_tokenizers(tokenizers)
    speakers = {
        name: path
        for (name, path), number in zip(config.members.items(), numbers, strict=True)
        if number == 0
    }
    roles = all_roles(tuple(config.members), tuple(speakers), config.active)
    check_roles(speakers, [role["name"] for role in roles], config.role_tokens)
    different = [tokenizers[numbers.index(number)] for number in range(max(numbers) + 1)]
    voice.say("reading the training data")
    data = load_data(config, different, smallest_context(config.members.values()), voice.tell)
    digest = data.digest()
    run = _run_folder(config, folder, digest, cache)
    # Named by the hash of the rows: other data in the same folder must not find these vectors.
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
    precomputed = Precomputed(embeddings, costs)
    Trainer(config, model, data, precomputed, run, voice).train(state, optimizer)
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
    """Embed every text once; kept at `path`, so that a resumed run need not do it again."""
    if path.exists():
        return torch.from_numpy(np.load(path))
    parts: list[NDArray[np.float32]] = []
    for start in range(0, len(texts), EMBEDDED_AT_ONCE):
        parts.append(encode(texts[start : start + EMBEDDED_AT_ONCE]))
        done = min(start + EMBEDDED_AT_ONCE, len(texts))
        voice.say(f"{done} of {len(texts)} questions embedded", done, len(texts))
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".tmp.npy")
    np.save(unfinished, np.concatenate(parts))
    unfinished.replace(path)
    return torch.from_numpy(np.load(path))
