"""What the frozen experts think of every training token, computed once and kept in files."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from routers.fusion_route.data import Row, Say, collate
from routers.fusion_route.model import Members, digest, load_model


@dataclass(frozen=True, slots=True)
class Judgements:
    """The experts' view of the answers' tokens of some rows, one after the other."""

    nll: Tensor
    """[tokens, n] float32: negative log-likelihood of the right token, in nats."""
    informative: Tensor
    """[tokens] bool: two experts' best tokens differ."""
    starts: Tensor
    """[rows + 1]: where each row's tokens start."""

    def take(self, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Give nll [N, n] and informative [N] of some rows, row after row."""
        pieces = [torch.arange(int(self.starts[i]), int(self.starts[i + 1])) for i in rows]
        index = torch.cat(pieces)
        return self.nll[index], self.informative[index]


def judge(
    folders: Mapping[str, Path],
    rows: Sequence[Row],
    cache: Path,
    most_tokens: int,
    say: Say,
    every_token: bool = False,
) -> Judgements:
    """Let each expert of `folders` read the rows, at most `most_tokens` tokens at a time.

    An expert's part is kept in `cache` under a hash of its weights and of the rows: a stopped
    run, a new expert or other settings of the training only cost what is new. One expert at a
    time is in memory. With `every_token` every token counts as informative.
    """
    cache.mkdir(parents=True, exist_ok=True)
    data = _hash_rows(rows)
    parts = [
        _judge_cached(name, folder, rows, cache / _file_name(folder, data), most_tokens, say)
        for name, folder in folders.items()
    ]
    best = torch.stack([part["best"] for part in parts], dim=-1)
    informative = (best != best[:, :1]).any(-1)
    lengths = torch.tensor([0, *(row.answer for row in rows)])
    return Judgements(
        nll=torch.stack([part["nll"] for part in parts], dim=-1),
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


def _judge_cached(
    name: str, folder: Path, rows: Sequence[Row], path: Path, most_tokens: int, say: Say
) -> dict[str, Tensor]:
    if path.exists():
        say(f"{name}: {len(rows)} rows are in the cache")
        return dict(load_file(path))
    members = Members({name: load_model(name, folder)})
    part = judge_member(members, name, rows, most_tokens, say)
    unfinished = path.with_suffix(f".{os.getpid()}.tmp")
    save_file(part, unfinished)
    unfinished.replace(path)
    return part


def judge_member(
    members: Members, name: str, rows: Sequence[Row], most_tokens: int, say: Say
) -> dict[str, Tensor]:
    """Let one expert read the rows: `nll` float32 and `best` int32, both [tokens]."""
    nll: list[Tensor] = [torch.empty(0)] * len(rows)
    best: list[Tensor] = [torch.empty(0)] * len(rows)
    done = 0
    for indices in split(rows, most_tokens):
        chosen = [rows[index] for index in indices]
        batch = collate(chosen)
        losses, tokens = members.judge(name, batch.tokens, batch.positions)
        lengths = [row.answer for row in chosen]
        for index, loss, token in zip(
            indices, torch.split(losses, lengths), torch.split(tokens, lengths), strict=True
        ):
            nll[index], best[index] = loss, token.to(torch.int32)
        done += len(chosen)
        say(f"{name} has read {done} of {len(rows)} rows")
    return {"nll": torch.cat(nll), "best": torch.cat(best)}


def split(rows: Sequence[Row], most_tokens: int) -> list[list[int]]:
    """Group rows of similar length into batches of at most so many tokens, padding included."""
    order = sorted(range(len(rows)), key=lambda index: len(rows[index].tokens))
    groups: list[list[int]] = []
    for index in order:
        if groups and (len(groups[-1]) + 1) * len(rows[index].tokens) <= most_tokens:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups
