"""The frozen experts' log-probabilities of the training tokens, computed once and cached."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from experts.fused.training.batches import collate, split
from experts.fused.training.encoding import Row, Say
from experts.fused.training.models import digest, load_model
from routers.fusion_route.model import Members

LEAST_REST = 1e-7
"""Smallest probability left to the tokens that are not kept: float32's resolution."""


@dataclass(frozen=True, slots=True)
class ExpertLogProbs:
    """The experts' log-probabilities of the answers' tokens of some rows, row after row."""

    nll: Tensor
    """[tokens, n] float32: negative log-likelihood of the right token, in nats."""
    best: Tensor
    """[tokens, n, kept] int32: the tokens that each expert expects most, most likely first."""
    best_log_probs: Tensor
    """[tokens, n, kept] float16: their log-probabilities, in nats."""
    informative: Tensor
    """[tokens] bool: two experts' best tokens differ."""
    starts: Tensor
    """[rows + 1]: where each row's tokens start."""

    def take(self, rows: Sequence[int]) -> "ExpertLogProbs":
        """Those of some rows, row after row."""
        lengths = self.starts[1:] - self.starts[:-1]
        pieces = [torch.arange(int(self.starts[i]), int(self.starts[i + 1])) for i in rows]
        index = torch.cat(pieces)
        return ExpertLogProbs(
            nll=self.nll[index],
            best=self.best[index],
            best_log_probs=self.best_log_probs[index],
            informative=self.informative[index],
            starts=torch.cat([torch.zeros(1, dtype=torch.long), lengths[list(rows)].cumsum(0)]),
        )

    def distribution(self, choice: Tensor, targets: Tensor, vocabulary: int) -> Tensor:
        """Rebuild the log-probabilities of the expert chosen at each token: [tokens, V], in nats.

        `choice` and `targets`, both [tokens], are the experts and the right tokens. Exact for
        the right token and for those that are kept; the others share the rest evenly.
        """
        rows = torch.arange(len(choice))
        best, log_probs = self.best[rows, choice].long(), self.best_log_probs[rows, choice].float()
        others = max(1, vocabulary - best.shape[-1])
        rest = (1 - log_probs.exp().sum(-1)).clamp(min=LEAST_REST) / others
        whole = rest.log()[:, None].repeat(1, vocabulary)
        whole.scatter_(-1, best, log_probs)
        right = -self.nll[rows, choice]
        return whole.scatter_(-1, targets[:, None], right[:, None])


def precompute(
    folders: Mapping[str, Path],
    rows: Sequence[Row],
    cache: Path,
    most_tokens: int,
    say: Say,
    *,
    kept: int,
    every_token: bool = False,
) -> ExpertLogProbs:
    """Let each expert of `folders` read the rows, at most `most_tokens` tokens at a time.

    An expert's part is kept in `cache` under a hash of its weights and of the rows: a stopped
    run, a new expert or other training settings only cost what is new. One expert at a time is in
    memory. `kept` tokens of each distribution are kept. With `every_token`, every token counts as
    informative.
    """
    cache.mkdir(parents=True, exist_ok=True)
    data = f"{_hash_rows(rows)} {kept}"
    parts = [
        _cached_member(name, folder, rows, cache / _file_name(folder, data), most_tokens, kept, say)
        for name, folder in folders.items()
    ]
    joined = {key: torch.stack([part[key] for part in parts], dim=1) for key in parts[0]}
    first = joined["best"][..., 0]
    informative = (first != first[:, :1]).any(-1)
    lengths = torch.tensor([0, *(row.answer for row in rows)])
    return ExpertLogProbs(
        **joined,
        informative=torch.ones_like(informative) if every_token else informative,
        starts=lengths.cumsum(0),
    )


def _hash_rows(rows: Sequence[Row]) -> str:
    seen = hashlib.sha256()
    for row in rows:
        seen.update(f"{row.prompt} {row.tokens};".encode())
    return seen.hexdigest()


def _file_name(folder: Path, data: str) -> str:
    key = hashlib.sha256(f"{digest(folder)} {data}".encode()).hexdigest()
    return f"{key[:24]}.safetensors"


def _cached_member(
    name: str,
    folder: Path,
    rows: Sequence[Row],
    path: Path,
    most_tokens: int,
    kept: int,
    say: Say,
) -> dict[str, Tensor]:
    if path.exists():
        say(f"{name}: {len(rows)} rows are in the cache")
        return dict(load_file(path))
    members = Members({name: load_model(name, folder)})
    part = precompute_member(members, name, rows, most_tokens, kept, say)
    unfinished = path.with_suffix(f".{os.getpid()}.tmp")
    save_file(part, unfinished)
    unfinished.replace(path)
    return part


def precompute_member(
    members: Members, name: str, rows: Sequence[Row], most_tokens: int, kept: int, say: Say
) -> dict[str, Tensor]:
    """Let one expert read the rows: its part of the fields of ExpertLogProbs, without axis n."""
    starts = torch.tensor([0, *(row.answer for row in rows)]).cumsum(0).tolist()
    part: dict[str, Tensor] = {}
    done = 0
    for indices in split(rows, most_tokens):
        batch = collate([rows[index] for index in indices])
        read = members.read(name, batch.tokens, batch.positions, kept)
        place = torch.cat([torch.arange(starts[i], starts[i + 1]) for i in indices])
        for key, values in read.items():
            if key not in part:
                part[key] = values.new_empty((starts[-1], *values.shape[1:]))
            part[key][place] = values
        done += len(indices)
        say(f"{name} has read {done} of {len(rows)} rows")
    return part
