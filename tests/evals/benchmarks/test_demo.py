"""The demo's questions, table and exit code, on a made-up pool."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from evals.benchmarks import demo
from evals.client.progress import Progress
from evals.tasks.task import Task
from experts.errors import ConfigError, ServiceError

EXPERTS = ("alpha", "beta")


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=120)


def _printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _make_right(gateway: Any) -> None:
    """Each expert knows its own skill; the pool asks the right one."""
    gateway.expert_of = lambda model, question: question.split()[0] if model == demo.POOL else model
    gateway.reply = lambda expert, question: (
        f"{expert} {question.split()[2].rstrip('?')}" if question.startswith(expert) else "?"
    )


async def _run(
    gateway: Any, make_task: Callable[..., Task], console: Console
) -> tuple[demo.Result, int]:
    tasks = [make_task("alpha"), make_task("beta")]
    progress = Progress(console)
    result = await demo.run_demo(gateway.base_url, EXPERTS, tasks, 3, progress)
    return result, demo.print_result(console, result, EXPERTS)


def test_questions_are_spread_and_skills_are_mixed(make_task: Callable[..., Task]) -> None:
    items = demo.choose([make_task("alpha", 4), make_task("beta", 1)], 2)

    assert [item.sample.id for item in items] == ["alpha-test-0", "beta-test-0", "alpha-test-2"]


async def test_a_pool_that_wins(
    gateway: Any, make_task: Callable[..., Task], console: Console
) -> None:
    _make_right(gateway)
    result, code = await _run(gateway, make_task, console)

    assert code == 0
    assert len(gateway.asked) == 1 + 6 * 3
    assert result.pool.scores == (1.0,) * 6
    printed = _printed(console)
    assert 'first routed answer: "alpha test 0?" -> "alpha 0" from alpha' in printed
    assert "pool/auto (100.0 %) is above the best single (alpha) (50.0 %)." in printed
    assert "2 loads of experts, 0.5 to 0.7 s each." in printed
    assert "chose the skill's own expert for 6 of 6 questions" in printed
    lines = {line.split("  ")[0].strip(): line for line in printed.splitlines()}
    assert "100.0" in lines["pool/auto"]
    assert "50.0" in lines["random"]
    assert "100.0" in lines["per-query oracle"]
    assert printed.isascii()


async def test_a_pool_that_only_ties_fails(
    gateway: Any, make_task: Callable[..., Task], console: Console
) -> None:
    _make_right(gateway)
    gateway.expert_of = lambda model, question: "alpha" if model == demo.POOL else model
    _, code = await _run(gateway, make_task, console)

    assert code == 1
    assert "is NOT above the best single" in _printed(console)


async def test_failed_requests_are_listed_and_fail_the_demo(
    gateway: Any, make_task: Callable[..., Task], console: Console
) -> None:
    _make_right(gateway)
    tasks = [make_task("alpha"), make_task("beta")]
    experts = (*EXPERTS, "broken")
    result = await demo.run_demo(gateway.base_url, experts, tasks, 3, Progress(console))

    assert demo.print_result(console, result, experts) == 1
    printed = _printed(console)
    assert "FAILED: broken, alpha-test-0: HTTP 502: it broke" in printed
    assert "6 FAILED" in printed


async def test_by_default_only_skills_of_an_expert_are_asked(
    started: Any, gateway: Any, config: Any, progress: Any, make_task: Any, monkeypatch: Any
) -> None:
    tasks = tuple(make_task(name) for name in ("alpha", "beta", "two_skill"))
    monkeypatch.setattr(demo, "find_tasks", lambda names: tasks)
    await demo.demo(progress, config(), 2)
    assert not any("two_skill" in question for _, question in gateway.asked)
    await demo.demo(progress, config(), 2, ("two_skill",))
    assert any("two_skill" in question for _, question in gateway.asked)


async def test_without_an_owned_task_there_is_nothing_to_show(
    started: Any, config: Any, progress: Any, make_task: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(demo, "find_tasks", lambda names: (make_task("foreign"),))
    with pytest.raises(ConfigError, match="No expert of the configuration") as caught:
        await demo.demo(progress, config(), 2)
    assert "--task" in caught.value.hint
    assert started == []


async def test_ones_own_questions_have_no_owner(
    gateway: Any, make_task: Callable[..., Task], console: Console
) -> None:
    _make_right(gateway)
    progress = Progress(console)
    result = await demo.run_demo(gateway.base_url, EXPERTS, [make_task("mine")], 3, progress)
    demo.print_result(console, result, EXPERTS)
    printed = _printed(console)
    assert "3 held-out questions" in printed
    assert "the skill's own expert" not in printed


@pytest.mark.parametrize(("width", "shown"), [(120, True), (70, False)])
async def test_a_narrow_terminal_gets_no_skill_columns(
    gateway: Any, make_task: Callable[..., Task], width: int, shown: bool
) -> None:
    console = Console(file=io.StringIO(), width=width)
    await _run(gateway, make_task, console)
    table = [line for line in _printed(console).splitlines() if "95 % interval" in line]

    assert ("alpha" in table[0]) == shown


async def test_no_first_answer_ends_the_demo(
    gateway: Any, make_task: Callable[..., Task], console: Console
) -> None:
    gateway.expert_of = lambda model, question: 1 / 0

    with pytest.raises(ServiceError, match="The first question failed: HTTP 500"):
        await demo.run_demo(gateway.base_url, EXPERTS, [make_task("alpha")], 1, Progress(console))


async def test_the_service_is_stopped_before_the_table(
    started: Any, config: Any, progress: Any, make_task: Any, monkeypatch: Any
) -> None:
    tasks = {name: make_task(name) for name in ("alpha", "beta")}
    monkeypatch.setattr(demo, "find_tasks", lambda names: tuple(tasks.values()))
    finish = await demo.demo(progress, config(), 2)

    assert started[0].stopped
    assert finish(progress.console) == 1  # The made-up answers are all wrong.


async def test_the_composition_is_needed(started: Any, config: Any, progress: Any) -> None:
    with pytest.raises(ConfigError, match="no composition `pool/auto`"):
        await demo.demo(progress, config(compositions={}), 1)
    assert started == []
