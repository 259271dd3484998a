"""The query router of a Mixture of Thoughts: choices, and artifacts that do not serve."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aggregators.mixture_of_thoughts.query_router import QueryRouter, choose
from aggregators.mixture_of_thoughts.save import write_router
from experts.errors import ConfigError
from experts.types import Request
from routers.mixture_of_thoughts import ThoughtsRouter

QUESTIONS = ("add one two", "capital of peru", "spell it", "zzz")
MEMBERS = ("sum", "sort", "spell")


def build(path: Path, encoder: Any) -> ThoughtsRouter:
    config = ThoughtsRouter.Config(type="mixture_of_thoughts", expert="fused", artifact=path)
    return ThoughtsRouter("auto", config, ["fused"], lambda: encoder)


def test_it_chooses_as_the_trained_one(
    tmp_path: Path, encoder: Any, ask: Callable[..., Request]
) -> None:
    torch.manual_seed(0)
    trained = QueryRouter(encoder.dimension, 3, dropout=0.1).eval()
    for layer in trained.layers:
        if isinstance(layer, torch.nn.Linear):
            torch.nn.init.normal_(layer.weight)
    path = tmp_path / "query_router.npz"
    write_router(path, trained, MEMBERS, MEMBERS, 2, encoder.name)
    decisions = build(path, encoder).route([ask(question) for question in QUESTIONS])
    with torch.no_grad():
        scores, alone = trained(torch.from_numpy(encoder.encode(QUESTIONS)))
    choice = choose(scores, 2, torch.ones(len(MEMBERS), dtype=torch.bool))
    for row, decision in enumerate(decisions):
        primary = MEMBERS[int(choice.primary[row])]
        active = {MEMBERS[i] for i in range(3) if choice.active[row, i]}
        if alone[row] > 0:
            active = {primary}
        assert set(decision.evidence["active"]) == active
        assert decision.evidence["primary"] == primary
        assert decision.role == "+".join((primary, *sorted(active - {primary})))
        expected = scores[row].softmax(-1).tolist()
        assert list(decision.evidence["members"].values()) == pytest.approx(expected, abs=1e-4)
    assert len({decision.role for decision in decisions}) > 1


def test_artifacts_that_do_not_serve(tmp_path: Path, query_router: Path, encoder: Any) -> None:
    with pytest.raises(ConfigError, match=r"artifact.*holds no query router.*No such file"):
        build(tmp_path / "nowhere.npz", encoder)
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"not an archive")
    with pytest.raises(ConfigError, match="holds no query router"):
        build(broken, encoder)
    with np.load(query_router) as stored:
        arrays = dict(stored)
    np.savez(broken, **{key: value for key, value in arrays.items() if key != "speakers"})
    with pytest.raises(ConfigError, match=r"holds no query router.*speakers"):
        build(broken, encoder)
    np.savez(broken, **{**arrays, "encoder": "another"})
    with pytest.raises(ConfigError, match="embeddings of another, not of letters"):
        build(broken, encoder)
