"""Batched decoding with caches says what one question at a time without any says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from evals.intervals import accuracy
from evals.scorers import exact
from evals.tasks import load_tasks
from experts.errors import ConfigError
from routers.fusion_route.data import Question
from routers.fusion_route.decode import Answer, FusedPolicy, Role, all_roles
from routers.fusion_route.evaluate import Result, evaluate, is_right, read_task, table
from routers.fusion_route.model import FusionRouter, load_members, load_model, load_tokenizer

EOS = 2
PROMPTS = [[1, 4, 80, 81, 5], [1, 4, 90, 5], [1, 4, 100, 101, 5], [1, 4, 7, 5], [1, 4, 9, 9, 5]]
MOST = 6


@pytest.fixture(scope="module")
def policy(tiny: dict[str, Path]) -> FusedPolicy:
    """Random models whose answers end now and then, and a head that changes its mind."""
    router = FusionRouter(load_model("router", tiny["router"]), 2)
    torch.manual_seed(3)
    torch.nn.init.normal_(router.route_head.weight)
    members = load_members({name: tiny[name] for name in ("left", "right")})
    for model in (router.router, *members.models.values()):
        # A column that is often the largest, so that some answers end early.
        model.get_output_embeddings().weight.data[EOS] *= 5.0
    return FusedPolicy(router, members, EOS)


@torch.no_grad()
def alone(policy: FusedPolicy, prompt: list[int], role: Role) -> Answer:
    """The definition, with everything computed anew for every token."""
    router, members = policy._router, policy._members
    text: list[int] = []
    experts: list[int] = []
    while len(experts) < MOST:
        tokens = torch.tensor([[*prompt, *text]])
        last = torch.zeros(1, tokens.shape[1], dtype=torch.bool)
        last[0, -1] = True
        padded = torch.cat((tokens, torch.zeros(1, 1, dtype=torch.long)), 1)
        own, routes = router(padded, last)
        index = int(routes.argmax(-1))
        if role.expert is not None:
            index = members.names.index(role.expert) if role.expert != "none" else -1
        scores = torch.zeros_like(own)
        if index >= 0:
            scores = scores + members.log_probs(members.names[index], padded, last)
        if role.router_logits:
            scores = scores + own
        experts.append(index)
        best = int(scores.argmax(-1))
        if best == EOS:
            return Answer(tuple(text), tuple(experts), True)
        text.append(best)
    return Answer(tuple(text), tuple(experts), False)


def test_roles_have_the_order_of_the_served_model() -> None:
    assert all_roles(("a", "b")) == (
        Role("route", None, True),
        Role("route_only", None, False),
        Role("router", "none", True),
        Role("a", "a", True),
        Role("a_only", "a", False),
        Role("b", "b", True),
        Role("b_only", "b", False),
    )


@pytest.mark.parametrize("role", all_roles(("left", "right")), ids=lambda role: role.name)
def test_batches_equal_single_questions(policy: FusedPolicy, role: Role) -> None:
    said: list[str] = []
    answers = policy.decode(PROMPTS, role, MOST, said.append)
    assert answers == [alone(policy, prompt, role) for prompt in PROMPTS]
    assert said[-1] == f"{role.name} has answered 5 of 5 questions"


def test_the_random_models_show_what_they_should(policy: FusedPolicy) -> None:
    routed = policy.decode(PROMPTS * 4, all_roles(policy.members)[0], MOST, lambda line: None)
    assert {answer.finished for answer in routed} == {True, False}
    assert {index for answer in routed for index in answer.experts} == {0, 1}


def test_scoring_is_that_of_the_tasks() -> None:
    question = Question(prompt="", answer="84 ; LXXXIV")
    for text in ("84 ; LXXXIV", " 84 ;  LXXXIV ", "84; LXXXIV", "84 ; lxxxiv", "84", ""):
        assert is_right(question.answer, text) == (exact(question, text) == 1)
    result = Result("a", "b", 93, 120, {})
    expected = accuracy(93, 120)
    assert result.accuracy == expected.mean
    assert result.interval == pytest.approx((expected.low, expected.high))


def test_tasks_are_read_as_the_evaluation_reads_them() -> None:
    task = load_tasks(["two_skill"])["two_skill"]
    path = Path(__file__).resolve().parents[3] / "evals" / "tasks" / task.spec.data
    for split in ("probe", "test"):
        read = [(one.prompt, one.answer) for one in read_task(path, split)]
        assert read == [(one.question, one.answer) for one in task.samples(split)]  # type: ignore[arg-type]


def test_unusable_tasks(tmp_path: Path) -> None:
    path = tmp_path / "task.jsonl"
    with pytest.raises(ConfigError, match="No such file"):
        read_task(path, "test")
    path.write_text('{"split": "test", "question": "a"}\n', encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_task(path, "test")
    assert caught.value.problems == (f"{path}:1: Field required",)
    path.write_text('{"split": "test", "question": "a", "answer": "b"}\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="no rows of the split `probe`"):
        read_task(path, "probe")


def test_a_table_of_results(policy: FusedPolicy, tiny: dict[str, Path]) -> None:
    questions = [Question(prompt="What is 1 + 1?", answer="2"), Question(prompt="a", answer="b")]
    tokenizer = load_tokenizer(tiny["router"])
    roles = all_roles(policy.members)[:3]
    results = [
        evaluate(policy, tokenizer, questions, role, task, lambda line: None)
        for role in roles
        for task in ("sums", "letters")
    ]
    assert all(sum(result.experts.values()) == pytest.approx(1) for result in results)
    assert results[-1].experts == {"none": 1.0}
    assert table(results).splitlines()[0].split() == ["right", "%", "sums", "letters"]
    assert [line.split()[0] for line in table(results).splitlines()[1:]] == [
        role.name for role in roles
    ]
