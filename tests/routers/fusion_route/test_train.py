"""Training sends gradients where it should, goes on where it was stopped, and learns to route."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from repository import ROOT
from safetensors.torch import load_file
from training_runs import Doomed, Killed, curve, silent

from experts.errors import ConfigError
from experts.fused.training.batches import collate, split
from experts.fused.training.encoding import Encoder, Row
from experts.fused.training.models import load_model, load_tokenizer
from experts.fused.training.progress import QUIET_S, Voice
from experts.fused.training.questions import Question
from experts.fused.training.run import State
from experts.fused.training.tokens import sum_by_row
from experts.zoo.skills.base import Split
from experts.zoo.skills.registry import SKILLS
from routers.fusion_route.data import load_data
from routers.fusion_route.decode import FusedPolicy, Role
from routers.fusion_route.losses import disturbance
from routers.fusion_route.model import FusionRouter, load_members
from routers.fusion_route.precompute import Judgements, judge
from routers.fusion_route.reference import FusionRouteReference
from routers.fusion_route.save import save
from routers.fusion_route.stage import Prepared, Trainer
from routers.fusion_route.train import prepare_pairs, read_questions, run_folder, train
from routers.fusion_route.training_config import TrainingConfig

ZOO = ROOT / "experts" / "zoo" / "weights"


def changed(config: TrainingConfig, **changes: Any) -> TrainingConfig:
    return config.model_validate({**config.model_dump(), **changes})


def weights(model: FusionRouter) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def make_trainer(config: TrainingConfig, stage: str, folder: Path) -> tuple[Trainer, FusionRouter]:
    model = FusionRouter(load_model("router", config.router), len(config.members))
    torch.nn.init.normal_(model.route_head.weight)
    tokenizer = load_tokenizer(config.router)
    data = load_data(config, tokenizer, 64, silent)
    voice = Voice(silent)
    run = run_folder(folder, config, data)
    prepared = Prepared(data, read_questions(config, data, run, voice))
    if stage == "mixed":
        prepared = prepare_pairs(config, prepared, model, tokenizer, run, voice)
    return Trainer(config, stage, model, prepared, run, voice), model


def gradients(model: FusionRouter) -> dict[str, bool]:
    return {
        name: parameter.grad is not None and bool(parameter.grad.any())
        for name, parameter in model.named_parameters()
    }


@pytest.mark.parametrize("use_normalizer", [False, True])
def test_preferences_train_the_router_and_not_its_head(
    tiny_run: TrainingConfig, tmp_path: Path, use_normalizer: bool
) -> None:
    config = changed(tiny_run, preference={"use_normalizer": use_normalizer})
    trainer, model = make_trainer(config, "mixed", tmp_path / "run")
    trainer.measure_reference()
    loss, measured = trainer.on_pairs([0, 3, 5])
    loss.backward()  # type: ignore[no-untyped-call]
    moved = gradients(model)
    assert not moved.pop("route_head.weight")
    assert all(moved.values())
    assert measured["cdpo"] == pytest.approx(loss.item())


def test_questions_train_both(tiny_run: TrainingConfig, tmp_path: Path) -> None:
    trainer, model = make_trainer(tiny_run, "sft", tmp_path / "run")
    loss, measured = trainer.on_questions([0, 1, 2])
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(gradients(model).values())
    assert loss.item() == pytest.approx(measured["lm"] + measured["expert"] / 3, rel=1e-5)
    assert measured["best_nll"] <= measured["chosen_nll"]


def test_hopeless_tokens_count_only_so_much(tiny_run: TrainingConfig, tmp_path: Path) -> None:
    plain = make_trainer(tiny_run, "sft", tmp_path / "plain")[0].on_questions([0, 1, 2])[1]
    config = changed(tiny_run, worst_nll=0.25)
    bounded = make_trainer(config, "sft", tmp_path / "bounded")[0].on_questions([0, 1, 2])[1]
    assert bounded["expert"] <= 0.25 < plain["expert"]
    assert bounded["best_nll"] == plain["best_nll"]


@pytest.mark.parametrize(("bound", "own"), [(0.0, 1), (1e9, 0)])
def test_what_no_expert_knows_is_for_the_router(
    tiny_run: TrainingConfig, tmp_path: Path, bound: float, own: int
) -> None:
    config = changed(tiny_run, language="fused", unknown_nll=bound)
    loss, measured = make_trainer(config, "sft", tmp_path / "run")[0].on_questions([0, 1, 2])
    expected = measured["fused"] + own * measured["lm"] + measured["expert"] / 3
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_answers_that_an_expert_knows_are_left_to_it(
    tiny_run: TrainingConfig, tmp_path: Path
) -> None:
    rows = (0, 1, 2)
    judged = make_trainer(tiny_run, "sft", tmp_path / "judged")[0].prepared
    batch = collate([judged.data.questions[row] for row in rows])
    nll = judged.questions.take(rows).nll
    best = sum_by_row(nll, batch.row, len(rows)).min(-1).values
    bound = best.sort().values[:2].mean().item()
    config = changed(tiny_run, language="fused", quiet=0.5, known_nll=bound)
    trainer, model = make_trainer(config, "sft", tmp_path / "run")
    loss, measured = trainer.on_questions(rows)
    own, routes = model(batch.tokens, batch.positions)
    experts = trainer.prepared.questions.take(rows).distribution(
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
def test_what_is_heard_is_the_fused_policy(
    tiny_run: TrainingConfig, tmp_path: Path, kept: int
) -> None:
    config = changed(tiny_run, language="fused", kept_tokens=kept)
    trainer, model = make_trainer(config, "sft", tmp_path / "run")
    loss, measured = trainer.on_questions([0, 1, 2])
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(gradients(model).values())
    assert loss.item() == pytest.approx(measured["fused"] + measured["expert"] / 3, rel=1e-5)
    batch = collate([trainer.prepared.data.questions[row] for row in (0, 1, 2)])
    with torch.no_grad():
        own, routes = model(batch.tokens, batch.positions)
        members = load_members(config.members)
        experts = torch.stack(
            [members.log_probs(name, batch.tokens, batch.positions) for name in members.names], 1
        )[torch.arange(len(own)), routes.argmax(-1)]
        exact = -(own + experts).log_softmax(-1).gather(-1, batch.targets[:, None]).mean().item()
    # What is not kept of a distribution is spread evenly: exact where everything is kept.
    assert measured["fused"] == pytest.approx(exact, rel=1e-3 if kept == 741 else 0.2)


def test_rebuilt_distributions_are_the_experts_own(
    tiny_run: TrainingConfig, tmp_path: Path
) -> None:
    data = load_data(tiny_run, load_tokenizer(tiny_run.router), 64, silent)
    judged = judge(tiny_run.members, data.questions, tmp_path, 64, silent, kept=8).take([5, 1])
    batch = collate([data.questions[5], data.questions[1]])
    right = load_members(tiny_run.members).log_probs("right", batch.tokens, batch.positions)
    choice = torch.ones(len(right), dtype=torch.long)
    rebuilt = judged.distribution(choice, batch.targets, right.shape[-1])
    known = torch.cat([right.topk(8).indices, batch.targets[:, None]], -1)
    assert torch.allclose(rebuilt.gather(-1, known), right.gather(-1, known), atol=5e-3)
    sums = rebuilt.exp().sum(-1)
    assert torch.allclose(sums, torch.ones_like(sums), atol=0.02)


def test_the_reference_is_the_router_alone(tiny_run: TrainingConfig, tmp_path: Path) -> None:
    trainer, model = make_trainer(tiny_run, "mixed", tmp_path / "run")
    reference = trainer.measure_reference()
    data = trainer.prepared.data
    row = data.rejected[4]
    with torch.no_grad():
        logits = model.router(torch.tensor([row.tokens])).logits[0].log_softmax(-1)
    expected = sum(
        logits[place - 1, row.tokens[place]].item() for place in range(row.prompt, len(row.tokens))
    )
    assert reference.shape == (12, 2)
    assert reference[4, 1].item() == pytest.approx(expected, rel=1e-5)
    # Before the first step the policy is the reference: only the experts' bias is left.
    _, measured = trainer.on_pairs([4])
    sign = torch.tensor(measured["bias"])
    assert measured["cdpo"] == pytest.approx(-torch.nn.functional.logsigmoid(sign).item(), rel=1e-4)


def test_judgements_are_the_experts_own(tiny_run: TrainingConfig, tmp_path: Path) -> None:
    data = load_data(tiny_run, load_tokenizer(tiny_run.router), 64, silent)
    said: list[str] = []

    def judged_by(members: Mapping[str, Path], say: Any = silent, **changes: Any) -> Judgements:
        return judge(members, data.questions, tmp_path, 64, say, **{"kept": 3, **changes})

    judged = judged_by(tiny_run.members, said.append)
    members = load_members(tiny_run.members)
    picked = [7, 2]
    batch = collate([data.questions[index] for index in picked])
    taken = judged.take(picked)
    own = [members.judge(name, batch.tokens, batch.positions, 3) for name in members.names]
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


def test_large_batches_are_split() -> None:
    rows = [Row(tuple(range(length)), 1) for length in (9, 3, 8, 2, 3, 40)]
    groups = split(rows, 20)
    assert sorted(index for group in groups for index in group) == list(range(6))
    sizes = [len(group) * max(len(rows[index].tokens) for index in group) for group in groups]
    # A row that is too large by itself stands alone.
    assert all(size <= 20 for size in sizes[:-1])
    assert groups[-1] == [5]


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
    data = trainer.prepared.data
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
def test_members_that_can_not_take_part(
    tiny_run: TrainingConfig, tmp_path: Path, member: str, reason: str
) -> None:
    config = changed(tiny_run, members={**tiny_run.members, member: ZOO / member})
    with pytest.raises(ConfigError) as caught:
        train(config, tmp_path / "run", Voice(silent))
    assert reason in f"{caught.value} {' '.join(caught.value.problems)}"
    assert member in f"{caught.value} {' '.join(caught.value.problems)}"


def test_the_fused_folder_comes_back(
    tiny_run: TrainingConfig, tiny: dict[str, Path], tmp_path: Path
) -> None:
    model, _ = train(changed(tiny_run, mixed={"steps": 0}), tmp_path / "run", Voice(silent))
    folder = tmp_path / "fused"
    save(model, tiny_run.router, tiny_run.members, folder, {"seconds": 1})
    stored = load_file(folder / "model.safetensors")
    assert stored["route_head.weight"].shape == (2, 16)
    assert {name for name in stored if name != "route_head.weight"} == {
        f"router.{name}" for name in load_file(tiny["router"] / "model.safetensors")
    }
    roles = json.loads((folder / "config.json").read_text(encoding="utf-8"))["roles"]
    assert [role["name"] for role in roles] == [
        *("route", "route_only", "router", "left", "left_only", "right", "right_only")
    ]
    first = FusionRouteReference(folder)
    assert tuple(first.composite.members) == ("left", "right")
    assert len(first.greedy([first.composite.role_token_ids[0], 80, 90], 3)) == 3
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["members"]["left"]["fingerprint"] = "0" * 16
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ConfigError, match="left"):
        FusionRouteReference(folder)


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


def test_silence_is_broken() -> None:
    now = [0.0]
    lines: list[str] = []
    voice = Voice(lines.append, lambda: now[0])
    voice.say("first")
    voice.say("too soon")
    now[0] = QUIET_S + 1
    voice.say("later")
    voice.tell("always")
    assert [line.split("s  ")[1] for line in lines] == ["first", "later", "always"]
    lines.clear()
    now[0] += QUIET_S
    with voice:
        for _ in range(100):
            if lines:
                break
            voice._over.wait(0.05)
    assert lines[0].endswith("... always")
    assert QUIET_S < 2
