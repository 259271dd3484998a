"""What each answer costs each member alone, in nats; computed once before the training."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel

from experts.fused.training.batches import collate, split
from experts.fused.training.encoding import Row, Say
from experts.fused.training.models import hidden_states
from experts.fused.training.tokens import sum_by_row, token_log_probs

_KEY = "costs"


def answer_costs(
    models: Mapping[str, PreTrainedModel],
    speakers: Sequence[bool],
    rows: Sequence[Row],
    most_tokens: int,
    worst: float,
    cache: Path,
    keys: Sequence[str],
    say: Say,
) -> Tensor:
    """[rows, M] loss of each member on each whole answer, in nats; infinite for non-speakers.

    A token counts for at most `worst` nats: a member that begins an answer well is better than one
    that does not, however confidently it goes wrong later. Each member reads at most `most_tokens`
    tokens at once. Its result is kept in `cache` under its entry of `keys`, which identify rows and
    weights: a stopped run, other members or other settings only cost what is new.
    """
    cache.mkdir(parents=True, exist_ok=True)
    costs = torch.full((len(rows), len(models)), float("inf"))
    for number, (name, model) in enumerate(models.items()):
        if not speakers[number]:
            continue
        read = hashlib.sha256(f"{keys[number]} {worst}".encode()).hexdigest()
        path = cache / f"costs-{read[:24]}.safetensors"
        if not path.exists():
            unfinished = path.with_suffix(f".{os.getpid()}.tmp")
            found = _read(name, model, rows, most_tokens, worst, say)
            save_file({_KEY: found}, unfinished)
            unfinished.replace(path)
        costs[:, number] = load_file(path)[_KEY]
    return costs


@torch.no_grad()
def _read(
    name: str,
    model: PreTrainedModel,
    rows: Sequence[Row],
    most_tokens: int,
    worst: float,
    say: Say,
) -> Tensor:
    costs = torch.zeros(len(rows))
    done = 0
    for indices in split(rows, most_tokens):
        batch = collate([rows[index] for index in indices])
        hidden = hidden_states(model, batch.tokens)[:, :-1][batch.positions]
        logits: Tensor = model.get_output_embeddings()(hidden)
        right = token_log_probs(logits.float().log_softmax(-1), batch.targets)
        costs[indices] = sum_by_row((-right).clamp(max=worst), batch.row, len(indices))
        done += len(indices)
        say(f"{name} has read {done} of {len(rows)} rows")
    return costs
