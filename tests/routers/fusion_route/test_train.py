"""Training goes on where it was stopped, refuses what it cannot train, and learns to route."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from fusion_route_runs import changed, make_trainer, weights
from repository import ROOT
from training_runs import Doomed, Killed, curve, silent

from experts.errors import ConfigError
from experts.fused.training.encoding import Encoder
from experts.fused.training.models import load_tokenizer
from experts.fused.training.progress import Voice
from experts.fused.training.questions import Question
from experts.zoo.skills.base import Split
from experts.zoo.skills.registry import SKILLS
from routers.fusion_route.decode import FusedPolicy, Role
from routers.fusion_route.model import load_members
from routers.fusion_route.train import train
from routers.fusion_route.training_config import TrainingConfig

pytestmark = pytest.mark.slow

ZOO = ROOT / "experts" / "zoo" / "weights"


@pytest.mark.parametrize("last_words", ["sft: step 4 of", "mixed: step 3 of", "reference"])
def test_a_stopped_run_ends_as_an_uninterrupted_one(
    tiny_run: TrainingConfig, tmp_path: Path, last_words: str
) -> None:
    mixed = {**tiny_run.mixed.model_dump(), "own_mistakes": 7}
    tiny_run = changed(tiny_run, mixed=mixed)
    whole, state = train(tiny_run, tmp_path / "whole", Voice(silent))
    assert (state.stage, state.step) == ("mixed", 5)
    with pytest.raises(Killed):
        train(tiny_run, tmp_path / "stopped", Doomed(last_words))
    resumed, _ = train(tiny_run, tmp_path / "stopped", Voice(silent))
    for name, tensor in weights(whole).items():
        assert torch.equal(tensor, weights(resumed)[name]), name

    assert curve(tmp_path / "stopped") == curve(tmp_path / "whole")
    places = [(line["stage"], line["step"]) for line in curve(tmp_path / "whole")]
    assert places == [("sft", 2), ("sft", 4), ("sft", 6), ("mixed", 2), ("mixed", 4), ("mixed", 5)]


def test_own_mistakes_become_pairs(tiny_run: TrainingConfig, tmp_path: Path) -> None:
    mixed = {**tiny_run.mixed.model_dump(), "own_mistakes": 5}
    config = changed(tiny_run, mixed=mixed, preferences=())
    trainer, model = make_trainer(config, "mixed", tmp_path / "run")
    data = trainer.losses.prepared.data
    # Random models get everything wrong.
    assert len(data.chosen) == len(data.rejected) == 5
    policy = FusedPolicy(model, load_members(config.members), 2)
    for right, wrong in zip(data.chosen, data.rejected, strict=True):
        assert right in data.questions
        assert right.tokens[: right.prompt] == wrong.tokens[: wrong.prompt]
        own = wrong.tokens[wrong.prompt :]
        prompts = [right.tokens[: right.prompt]]
        (again,) = policy.decode(prompts, Role("route", None, True), len(own), silent)
        assert (*again.tokens, *([2] if again.finished else [])) == own


def test_a_finished_run_is_not_trained_again(tiny_run: TrainingConfig, tmp_path: Path) -> None:
    first, _ = train(tiny_run, tmp_path / "run", Voice(silent))
    second, _ = train(tiny_run, tmp_path / "run", Doomed("step"))
    assert all(torch.equal(t, weights(second)[name]) for name, t in weights(first).items())


def test_the_seed_decides(tiny_run: TrainingConfig, tmp_path: Path) -> None:
    runs = [changed(tiny_run, seed=seed, mixed={"steps": 0}) for seed in (1, 1, 2)]
    heads = [
        train(run, tmp_path / str(number), Voice(silent))[0].route_head.weight
        for number, run in enumerate(runs)
    ]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_another_run_in_the_folder_is_refused(tiny_run: TrainingConfig, tmp_path: Path) -> None:
    train(changed(tiny_run, mixed={"steps": 0}), tmp_path / "run", Voice(silent))
    with pytest.raises(ConfigError, match=r"other settings \(mixed, lambda_expert, data\)"):
        train(changed(tiny_run, lambda_expert=0.5), tmp_path / "run", Voice(silent))


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        ("translation", "its tokenizer has 304 tokens, the router's 741"),
        ("cipher", "LoRA adapter"),
        ("words", "not a causal language model"),
    ],
)
def test_members_that_cannot_take_part(
    tiny_run: TrainingConfig, tmp_path: Path, member: str, reason: str
) -> None:
    config = changed(tiny_run, members={**tiny_run.members, member: ZOO / member})
    with pytest.raises(ConfigError) as caught:
        train(config, tmp_path / "run", Voice(silent))
    assert reason in f"{caught.value} {' '.join(caught.value.problems)}"
    assert member in f"{caught.value} {' '.join(caught.value.problems)}"


def test_a_short_training_learns_whom_to_ask(tmp_path: Path, jsonl: Any) -> None:
    """Real experts of the zoo, questions of three skills: a third is what any of them knows."""
    names = ("geography", "strings", "arithmetic")

    def questions(split_name: Split, count: int) -> list[Question]:
        rng = Random(f"short {split_name}")
        drawn = [SKILLS[names[i % 3]].sample(rng, split_name) for i in range(count)]
        return [Question(prompt=one.question, answer=one.answer) for one in drawn]

    rows = [one.model_dump(exclude_none=True) for one in questions("train", 240)]
    config = TrainingConfig.model_validate(
        {
            "members": {name: ZOO / name for name in names},
            "router": ZOO / "generalist",
            "questions": [jsonl(tmp_path / "questions.jsonl", rows)],
            "sft": {"steps": 30, "batch": 24, "learning_rate": 1e-3},
            "language": "fused",
            "worst_nll": 5.0,
            "threads": 1,
        }
    )
    model, _ = train(config, tmp_path / "run", Voice(silent))
    tokenizer = load_tokenizer(config.router)
    policy = FusedPolicy(model, load_members(config.members), int(tokenizer.eos_token_id))
    asked = questions("probe", 45)
    rows_asked = Encoder(tokenizer, 64).rows(asked, [one.answer for one in asked])
    prompts = [row.tokens[: row.prompt] for row in rows_asked]

    def accuracy(role: Role) -> float:
        answers = policy.decode(prompts, role, 32, silent)
        right = [
            row.tokens[row.prompt : -1] == answer.tokens
            for row, answer in zip(rows_asked, answers, strict=True)
        ]
        return sum(right) / len(right)

    assert accuracy(Role("route", None, True)) >= 0.9
    assert accuracy(Role("one", "strings", False)) <= 0.4
    assert accuracy(Role("r", "none", True)) <= 0.6
