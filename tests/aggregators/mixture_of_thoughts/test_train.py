"""Training of a mixture goes on where it was stopped, follows its seed, and learns."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from repository import ROOT
from tiny_models import write_jsonl, write_models
from training_runs import Doomed, Killed, curve, silent

from aggregators.mixture_of_thoughts.model import MixtureOfThoughts
from aggregators.mixture_of_thoughts.train import build, train
from aggregators.mixture_of_thoughts.training_config import TrainingConfig
from experts.errors import ConfigError
from experts.fused.training.models import load_model
from experts.fused.training.progress import Voice

pytestmark = pytest.mark.slow

STEPS = 6
ZOO = ROOT / "experts" / "zoo" / "weights"


def encode(texts: Sequence[str]) -> NDArray[np.float32]:
    """Vectors that follow from the texts alone."""
    seeds = [int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) for text in texts]
    return np.stack([np.random.default_rng(s).normal(size=8) for s in seeds]).astype(np.float32)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_models(tmp_path_factory.mktemp("tiny"), num_hidden_layers=2)


@pytest.fixture
def config(folders: dict[str, Path], tmp_path: Path) -> TrainingConfig:
    rows = [{"prompt": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(12)]
    return TrainingConfig.model_validate(
        {
            "members": folders,
            "questions": [write_jsonl(tmp_path / "questions.jsonl", rows)],
            "active": 2,
            "shared_width": 16,
            "steps": STEPS,
            "batch": 4,
            "learning_rate": 0.02,
            "threads": 1,
            "log_steps": 2,
            "checkpoint_s": 1e-6,
        }
    )


def changed(config: TrainingConfig, **changes: Any) -> TrainingConfig:
    return config.model_validate({**config.model_dump(), **changes})


def trained(config: TrainingConfig, folder: Path, voice: Voice | None = None) -> MixtureOfThoughts:
    return train(config, folder, encode, voice or Voice(silent))[0]


def weights(model: MixtureOfThoughts) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("last_words", ["step 4 of", "embedded"])
def test_a_stopped_run_ends_as_an_uninterrupted_one(
    config: TrainingConfig, tmp_path: Path, last_words: str
) -> None:
    whole = trained(config, tmp_path / "whole")
    with pytest.raises(Killed):
        trained(config, tmp_path / "stopped", Doomed(last_words))
    resumed = trained(config, tmp_path / "stopped")
    for name, tensor in weights(whole).items():
        assert torch.equal(tensor, weights(resumed)[name]), name
    assert curve(tmp_path / "stopped") == curve(tmp_path / "whole")
    assert [line["step"] for line in curve(tmp_path / "whole")] == [2, 4, 6]


def test_the_seed_decides(config: TrainingConfig, tmp_path: Path) -> None:
    first, again, other = (
        weights(trained(changed(config, seed=seed), tmp_path / run))
        for run, seed in (("first", 0), ("again", 0), ("other", 1))
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["router.layers.0.weight"], other["router.layers.0.weight"])


def test_members_stay_as_they_are(config: TrainingConfig, tmp_path: Path) -> None:
    model = trained(changed(config, steps=1), tmp_path / "one")
    before = [one.clone() for member in model._members for one in member.model.parameters()]
    later = trained(config, tmp_path / "all")
    after = [one for member in later._members for one in member.model.parameters()]
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))
    assert all(
        gate.abs().max() > 0
        for name, gate in later.interactions.named_parameters()
        if name.endswith("primary_gate")
    )


def test_answers_are_learned(config: TrainingConfig, tmp_path: Path) -> None:
    keys = {"batch": 12, "log_steps": 30, "dropout": 0.0, "router_rate": 2.0}
    longer = changed(config, steps=90, learning_rate=0.05, **keys)
    trained(longer, tmp_path / "run")
    first, _, last = (line["lm"] for line in curve(tmp_path / "run"))
    # Random models above the interaction layers cannot be steered far.
    assert last < first - 0.25


def test_choices_are_compared_while_there_is_noise_in_them(
    config: TrainingConfig, tmp_path: Path
) -> None:
    three = {name: ZOO / name for name in ("arithmetic", "strings", "units")}
    trained(changed(config, members=three, explore=0.5, known_nll=0, log_steps=1), tmp_path)
    assert ["consistency" in line for line in curve(tmp_path)] == [True] * 3 + [False] * 3
    assert all("lm" in line for line in curve(tmp_path))


def test_what_a_member_knows_is_left_to_it(config: TrainingConfig, tmp_path: Path) -> None:
    zoo = {name: ZOO / name for name in ("arithmetic", "geography")}
    rows = [{"prompt": f"Compute {n} + 31.", "answer": str(n + 31)} for n in range(20, 40)]
    sums = write_jsonl(tmp_path / "sums.jsonl", rows)
    known = changed(config, members=zoo, questions=[sums], steps=40, dropout=0.0)
    model = trained(known, tmp_path / "run")
    # Nobody had to hear anybody, and the router knows who knows.
    assert all((gate == 0).all() for name, gate in weights(model).items() if "gate" in name)
    assert all("lm" not in line for line in curve(tmp_path / "run"))
    judged = model.router(torch.from_numpy(encode([str(row["prompt"]) for row in rows])))
    assert (judged.members.argmax(-1) == 0).all()
    assert (judged.alone > 0).all()
    trained(changed(known, known_nll=0), tmp_path / "always")
    assert all("lm" in line for line in curve(tmp_path / "always"))


def test_other_data_in_the_folder_are_refused(config: TrainingConfig, tmp_path: Path) -> None:
    trained(config, tmp_path / "run")
    rows = [{"prompt": "What is 9 + 1?", "answer": "10"}] * 4
    other = changed(config, questions=[write_jsonl(tmp_path / "other.jsonl", rows)])
    with pytest.raises(ConfigError, match=r"run with other settings \(data\)"):
        trained(other, tmp_path / "run")


def test_a_training_that_breaks_says_so(config: TrainingConfig, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"of the train stage is nan.*learning_rate"):
        trained(changed(config, learning_rate=1e30, warmup=0), tmp_path / "run")


def test_a_member_with_another_tokenizer_is_listened_to(
    config: TrainingConfig, tmp_path: Path
) -> None:
    zoo = {name: ZOO / name for name in ("arithmetic", "translation")}
    # With a second interaction, so that what the listener makes of itself is heard.
    other = changed(config, members=zoo, stacks=3, known_nll=0)
    model = trained(other, tmp_path / "run")
    assert model.speakers.tolist() == [True, False]
    torch.manual_seed(other.seed)
    models = {name: load_model(name, path) for name, path in zoo.items()}
    before = build(other, models, 8, model.tokenizers).interactions.state_dict()
    after = model.interactions.state_dict()
    for name in ("0.down.1.weight", "0.key.weight", "0.primary_gate", "0.peer_gate"):
        assert not torch.equal(before[name], after[name]), name
    # It never speaks, so nothing is written into its stream as a primary's.
    assert after["0.primary_gate"][1] == 0


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"active": 9}, "active is 9, but there are"),
        ({"heads": 3}, "shared_width must be a multiple of heads"),
        ({"attention": "sequence"}, "heads of 4 numbers have no KV cache"),
        ({"places": [0, 2]}, "places must be stacks from 0 to 1"),
        ({"known_nll": 6}, "known_nll must not exceed worst_nll"),
        ({"active": 1}, "greater than or equal to 2"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    config: TrainingConfig, keys: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        changed(config, **keys)
