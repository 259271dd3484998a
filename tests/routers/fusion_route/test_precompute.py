"""What the experts say is computed once and kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from training_runs import silent

from experts.fused.training.batches import collate
from experts.fused.training.models import load_tokenizer
from routers.fusion_route.data import load_data
from routers.fusion_route.model import load_members
from routers.fusion_route.precompute import ExpertLogProbs, precompute
from routers.fusion_route.training_config import TrainingConfig


def test_rebuilt_distributions_are_the_experts_own(
    tiny_run: TrainingConfig, tmp_path: Path
) -> None:
    data = load_data(tiny_run, load_tokenizer(tiny_run.router), 64, silent)
    judged = precompute(tiny_run.members, data.questions, tmp_path, 64, silent, kept=8).take([5, 1])
    batch = collate([data.questions[5], data.questions[1]])
    right = load_members(tiny_run.members).log_probs("right", batch.tokens, batch.positions)
    choice = torch.ones(len(right), dtype=torch.long)
    rebuilt = judged.distribution(choice, batch.targets, right.shape[-1])
    known = torch.cat([right.topk(8).indices, batch.targets[:, None]], -1)
    assert torch.allclose(rebuilt.gather(-1, known), right.gather(-1, known), atol=5e-3)
    sums = rebuilt.exp().sum(-1)
    assert torch.allclose(sums, torch.ones_like(sums), atol=0.02)


def test_judgements_are_the_experts_own(tiny_run: TrainingConfig, tmp_path: Path) -> None:
    data = load_data(tiny_run, load_tokenizer(tiny_run.router), 64, silent)
    said: list[str] = []

    def judged_by(members: Mapping[str, Path], say: Any = silent, **changes: Any) -> ExpertLogProbs:
        return precompute(members, data.questions, tmp_path, 64, say, **{"kept": 3, **changes})

    judged = judged_by(tiny_run.members, said.append)
    members = load_members(tiny_run.members)
    picked = [7, 2]
    batch = collate([data.questions[index] for index in picked])
    taken = judged.take(picked)
    own = [members.read(name, batch.tokens, batch.positions, 3) for name in members.names]
    assert torch.allclose(taken.nll, torch.stack([part["nll"] for part in own], 1), atol=1e-4)
    assert torch.equal(taken.best, torch.stack([part["best"] for part in own], 1))
    first = [part["best"][:, 0] for part in own]
    assert taken.informative.tolist() == [bool(a != b) for a, b in zip(*first, strict=True)]
    assert taken.starts.tolist() == [0, data.questions[7].answer, len(taken.nll)]
    # A second time nothing is computed, and another expert costs only its own part.
    said.clear()
    again = judged_by(tiny_run.members, said.append)
    assert torch.equal(again.nll, judged.nll)
    assert said == [f"{name}: 12 rows are in the cache" for name in ("left", "right")]
    assert not judged_by({"right": tiny_run.members["right"]}).informative.any()
    assert judged_by(tiny_run.members, every_token=True).informative.all()
    # More of each distribution has to be read anew.
    assert judged_by(tiny_run.members, kept=5).best.shape[-1] == 5
