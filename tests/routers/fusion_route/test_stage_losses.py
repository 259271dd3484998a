"""The losses of a stage: where their gradients go, and what they are made of."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fusion_route_runs import changed, gradients, make_trainer
from pydantic import ValidationError

from experts.errors import ConfigError
from experts.fused.training.batches import collate
from experts.fused.training.run import State
from experts.fused.training.tokens import sum_by_row
from routers.fusion_route.losses import disturbance
from routers.fusion_route.model import load_members
from routers.fusion_route.training_config import TrainingConfig


@pytest.mark.parametrize("use_normalizer", [False, True])
def test_preferences_train_the_router_and_not_its_head(
    tiny_run: TrainingConfig, tmp_path: Path, use_normalizer: bool
) -> None:
    config = changed(tiny_run, preference={"use_normalizer": use_normalizer})
    trainer, model = make_trainer(config, "mixed", tmp_path / "run")
    trainer.losses.measure_reference()
    loss, measured = trainer.losses.on_pairs([0, 3, 5])
    loss.backward()  # type: ignore[no-untyped-call]
    moved = gradients(model)
    assert not moved.pop("route_head.weight")
    assert all(moved.values())
    assert measured["cdpo"] == pytest.approx(loss.item())


def test_questions_train_both(tiny_run: TrainingConfig, tmp_path: Path) -> None:
    trainer, model = make_trainer(tiny_run, "sft", tmp_path / "run")
    loss, measured = trainer.losses.on_questions([0, 1, 2])
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(gradients(model).values())
    assert loss.item() == pytest.approx(measured["lm"] + measured["expert"] / 3, rel=1e-5)
    assert measured["best_nll"] <= measured["chosen_nll"]


def test_hopeless_tokens_count_only_so_much(tiny_run: TrainingConfig, tmp_path: Path) -> None:
    plain = make_trainer(tiny_run, "sft", tmp_path / "plain")[0].losses.on_questions([0, 1, 2])[1]
    config = changed(tiny_run, worst_nll=0.25)
    bounded = make_trainer(config, "sft", tmp_path / "bounded")[0].losses.on_questions([0, 1, 2])[1]
    assert bounded["expert"] <= 0.25 < plain["expert"]
    assert bounded["best_nll"] == plain["best_nll"]


@pytest.mark.parametrize(("bound", "own"), [(0.0, 1), (1e9, 0)])
def test_what_no_expert_knows_is_for_the_router(
    tiny_run: TrainingConfig, tmp_path: Path, bound: float, own: int
) -> None:
    config = changed(tiny_run, language="fused", unknown_nll=bound)
    loss, measured = make_trainer(config, "sft", tmp_path / "run")[0].losses.on_questions([0, 1, 2])
    expected = measured["fused"] + own * measured["lm"] + measured["expert"] / 3
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_answers_that_an_expert_knows_are_left_to_it(
    tiny_run: TrainingConfig, tmp_path: Path
) -> None:
    rows = (0, 1, 2)
    prepared = make_trainer(tiny_run, "sft", tmp_path / "judged")[0].losses.prepared
    batch = collate([prepared.data.questions[row] for row in rows])
    nll = prepared.questions.take(rows).nll
    best = sum_by_row(nll, batch.row, len(rows)).min(-1).values
    bound = best.sort().values[:2].mean().item()
    config = changed(tiny_run, language="fused", quiet=0.5, known_nll=bound)
    trainer, model = make_trainer(config, "sft", tmp_path / "run")
    loss, measured = trainer.losses.on_questions(rows)
    own, routes = model(batch.tokens, batch.positions)
    experts = trainer.losses.prepared.questions.take(rows).distribution(
        routes.argmax(-1), batch.targets, own.shape[-1]
    )
    known = best[batch.row] <= bound
    assert 0 < known.sum() < len(known)
    heard = (own + experts).log_softmax(-1).gather(-1, batch.targets[:, None])[:, 0]
    language = torch.where(known, 0.5 * disturbance(own, experts), -heard).mean().item()
    assert loss.item() == pytest.approx(language + measured["expert"] / 3, rel=1e-5)


@pytest.mark.parametrize("alone", [{"quiet": 0.1}, {"unknown_nll": 1.0}])
def test_what_needs_the_fused_loss_says_so(
    tiny_run: TrainingConfig, alone: dict[str, float]
) -> None:
    with pytest.raises(ValidationError, match="language: fused"):
        changed(tiny_run, **alone)


def test_a_training_that_breaks_says_so(tiny_run: TrainingConfig, tmp_path: Path) -> None:
    trainer, model = make_trainer(tiny_run, "sft", tmp_path / "run")
    model.route_head.weight.data[0, 0] = float("nan")
    with pytest.raises(ConfigError, match=r"step 1 of the sft stage is nan.*learning_rate"):
        trainer.train(State("sft"), None)


@pytest.mark.parametrize("kept", [1, 4, 741])
def test_what_is_trained_is_the_fused_policy(
    tiny_run: TrainingConfig, tmp_path: Path, kept: int
) -> None:
    config = changed(tiny_run, language="fused", kept_tokens=kept)
    trainer, model = make_trainer(config, "sft", tmp_path / "run")
    loss, measured = trainer.losses.on_questions([0, 1, 2])
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(gradients(model).values())
    assert loss.item() == pytest.approx(measured["fused"] + measured["expert"] / 3, rel=1e-5)
    batch = collate([trainer.losses.prepared.data.questions[row] for row in (0, 1, 2)])
    with torch.no_grad():
        own, routes = model(batch.tokens, batch.positions)
        members = load_members(config.members)
        experts = torch.stack(
            [members.log_probs(name, batch.tokens, batch.positions) for name in members.names], 1
        )[torch.arange(len(own)), routes.argmax(-1)]
        exact = -(own + experts).log_softmax(-1).gather(-1, batch.targets[:, None]).mean().item()
    # What is not kept of a distribution is spread evenly: exact where everything is kept.
    assert measured["fused"] == pytest.approx(exact, rel=1e-3 if kept == 741 else 0.2)


def test_the_reference_is_the_router_alone(tiny_run: TrainingConfig, tmp_path: Path) -> None:
    trainer, model = make_trainer(tiny_run, "mixed", tmp_path / "run")
    reference = trainer.losses.measure_reference()
    data = trainer.losses.prepared.data
    row = data.rejected[4]
    with torch.no_grad():
        logits = model.router(torch.tensor([row.tokens])).logits[0].log_softmax(-1)
    expected = sum(
        logits[place - 1, row.tokens[place]].item() for place in range(row.prompt, len(row.tokens))
    )
    assert reference.shape == (12, 2)
    assert reference[4, 1].item() == pytest.approx(expected, rel=1e-5)
    # Before the first step the policy is the reference: only the experts' bias is left.
    _, measured = trainer.losses.on_pairs([4])
    sign = torch.tensor(measured["bias"])
    assert measured["cdpo"] == pytest.approx(-torch.nn.functional.logsigmoid(sign).item(), rel=1e-4)
