"""The choice of questions: even over categories, and the same for the same seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.runs import questions
from evals.runs.questions import Sampling, asked, chosen, task_info
from evals.tasks.task import Sample, Task, TaskSpec
from experts.errors import ConfigError

SPEC = TaskSpec.model_validate(
    {"name": "t", "version": 1, "description": "", "data": "x", "scorer": "exact", "max_tokens": 8}
    | {"skill": "t"}
)


def task(ids: list[str]) -> Task:
    rows = [Sample(id=i, split="test", question=f"{i}?", answer=i) for i in ids]
    return Task(SPEC, tuple(rows))


@pytest.fixture
def by_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question's category is the first letter of its id."""
    monkeypatch.setattr(questions, "category_of", lambda task, sample: sample.id[0])


@given(
    st.lists(st.from_regex("[abc][0-9]{1,3}", fullmatch=True), min_size=1, unique=True),
    st.integers(1, 40),
    st.integers(0, 3),
)
def test_a_limit_is_spread_evenly(ids: list[str], limit: int, seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(questions, "category_of", lambda task, sample: sample.id[0])
        [kept] = chosen([task(ids)], "test", limit, seed)
        [again] = chosen([task(list(reversed(ids)))], "test", limit, seed)
    names = [row.id for row in kept.rows]
    assert names == [i for i in ids if i in names]
    assert len(names) == min(limit, len(ids))
    assert set(names) == {row.id for row in again.rows}
    there, counts = Counter(i[0] for i in ids), Counter(i[0] for i in names)
    for one in there:
        for other in there:
            # No category has two more than another one that has questions left.
            assert counts[one] <= counts[other] + 1 or counts[other] == there[other]


@pytest.mark.usefixtures("by_letter")
def test_another_seed_chooses_others() -> None:
    ids = [f"a{n}" for n in range(40)]
    picks = [{r.id for r in chosen([task(ids)], "test", 5, s)[0].rows} for s in (1, 2)]
    assert picks[0] != picks[1]


def test_splits(make_task: Callable[..., Task]) -> None:
    whole = make_task("sums", 3)
    assert len(chosen([whole], "test", None, 0)[0].rows) == 3
    assert len(chosen([whole], "all", None, 0)[0].rows) == 6
    only = Task(whole.spec, whole.samples("probe"))
    with pytest.raises(ConfigError, match="no question in the split `test`"):
        chosen([only], "test", None, 0)
    with pytest.raises(ConfigError, match="Two tasks are called sums"):
        chosen([whole, whole], "test", None, 0)


def test_greedy_questions_have_no_seed_and_draws_have_their_own() -> None:
    [greedy] = asked([task(["a1"])], Sampling(seed=7))
    assert "seed" not in greedy.request.body
    assert greedy.request.body["temperature"] == 0
    drawn = asked([task(["a1"])], Sampling(7, 0.5, 2))
    assert [(one.draw, one.request.body["seed"]) for one in drawn] == [(0, 7), (1, 1007)]
    assert len({one.request.id for one in drawn}) == 2


def test_a_digest_changes_with_the_gold_answer() -> None:
    before, after = task(["a1"]), task(["a1"])
    changed = Task(SPEC, (replace(after.rows[0], answer="b"),))
    assert task_info(before) == task_info(after)
    assert task_info(before).digest != task_info(changed).digest
