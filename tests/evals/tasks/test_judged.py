"""Tasks whose answers an expert grades: no gold is needed, and somebody has to be asked."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from evals.scoring.batch import score_all
from evals.scoring.registry import make_scorer
from evals.tasks.judged import check_judges, grades, judges_of, without_judges
from evals.tasks.task import Task, find_tasks
from experts.errors import ConfigError


def task_of(folder: Path, rows: list[dict[str, Any]], **keys: Any) -> Task:
    data = folder / "essays.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    tree = {"data": data.name, "scorer": {"name": "judge", "expert": "strict"}, **keys}
    path = folder / "essays.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    [task] = find_tasks([str(path)])
    return task


def test_a_task_needs_no_right_answers_where_an_expert_grades(tmp_path: Path) -> None:
    task = task_of(tmp_path, [{"question": "Why is the sky blue?"}])
    assert [row.answer for row in task.rows] == [""]
    with pytest.raises(ConfigError, match="no column is called answer"):
        task_of(tmp_path, [{"question": "Why is the sky blue?"}], scorer="contains")


def test_a_right_answer_is_the_judges_reference_where_there_is_one(tmp_path: Path) -> None:
    rows = [{"question": "Why?", "answer": "Rayleigh"}, {"question": "How?", "answer": ""}]
    assert [row.answer for row in task_of(tmp_path, rows).rows] == ["Rayleigh", ""]
    with pytest.raises(ConfigError) as error:
        task_of(tmp_path, rows, scorer="contains")
    assert "there is no right answer" in error.value.problems[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [({}, "expert: Field required"), ({"expert": "strict", "bests": 3}, "bests: Extra inputs")],
)
def test_options_are_checked_when_the_task_is_read(
    tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        task_of(tmp_path, [{"question": "Why?"}], scorer={"name": "judge", **options})


def test_no_rule_scores_what_an_expert_has_to_grade(tmp_path: Path) -> None:
    task = task_of(tmp_path, [{"question": "Why?"}])
    with pytest.raises(ValueError, match=r"strict, has to grade"):
        task.score(task.rows[0], "Because.")
    with pytest.raises(ValueError, match="has to grade"):
        score_all(make_scorer("judge", {"expert": "strict"}), [(task.rows[0], "Because.")])


def test_the_judge_must_be_in_the_pool(tmp_path: Path) -> None:
    task = task_of(tmp_path, [{"question": "Why?"}])
    check_judges([task], ["mild", "strict"])
    with pytest.raises(ConfigError) as error:
        check_judges([task], ["mild"])
    assert error.value.problems == ("essays: scorer.expert: the pool has no expert `strict`",)
    assert "mild" in str(error.value.hint)


def test_commands_that_ask_nobody_refuse_such_tasks(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    plain = task_of(tmp_path / "plain", [{"question": "1?", "answer": "1"}], scorer="exact")
    assert without_judges([plain], "coterie demo") == (plain,)
    judged = task_of(tmp_path, [{"question": "Why?"}])
    with pytest.raises(ConfigError, match=r"`coterie demo` asks no expert for grades.*essays"):
        without_judges([plain, judged], "coterie demo")


def test_each_subtask_has_a_judge_of_its_own(tmp_path: Path) -> None:
    for name in ("essays", "letters"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"question": f"{name}?"}) + "\n")
    strict, mild = ({"name": "judge", "expert": one} for one in ("strict", "mild"))
    tree = {
        "data": "{subtask}.jsonl",
        "scorer": strict,
        "subtasks": {"essays": {}, "letters": {"scorer": mild}},
    }
    (tmp_path / "texts.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    [task] = find_tasks([str(tmp_path / "texts.yaml")])
    assert judges_of([task]) == {"texts/essays": "strict", "texts/letters": "mild"}


async def test_grades_come_in_order_whoever_gives_them(tmp_path: Path) -> None:
    rows = [{"id": f"q{n}", "question": f"{n}?"} for n in range(3)]
    (tmp_path / "mild").mkdir()
    tasks = [
        task_of(tmp_path, rows, extract={"regex": "Answer: (.+)"}),
        task_of(tmp_path / "mild", rows, scorer={"name": "judge", "expert": "mild"}, name="notes"),
    ]
    asked: list[tuple[str, str]] = []

    async def ask(expert: str, body: dict[str, Any]) -> str:
        prompt = body["messages"][0]["content"]
        asked.append((expert, prompt))
        return f"VERDICT: {int('yes' in prompt)}"

    said = ("I think.\nAnswer: yes", "Answer: no\nyes", "yes")
    answers = [(task, task.rows[n], text) for n, text in enumerate(said) for task in tasks]
    found = await grades(ask, answers)
    assert [one.score for one in found] == [1, 1, 0, 1, 0, 1]
    assert [expert for expert, _ in asked] == ["strict"] * 3 + ["mild"] * 3
    assert not any("I think." in prompt for expert, prompt in asked if expert == "strict")
