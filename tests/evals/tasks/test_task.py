"""Loading tasks, and what a wrong file gets."""

from pathlib import Path

import pytest

from evals.tasks.scorers import SCORERS
from evals.tasks.task import load_task, load_tasks
from experts.errors import ConfigError

YAML = """
name: adding
version: 1
description: "Add numbers."
data: adding.jsonl
scorer: exact
max_tokens: 8
skill: arithmetic
"""
ROW = '{"id": "a-1", "split": "test", "question": "1 + 1?", "answer": "2", "keywords": []}\n'


def _write(folder: Path, yaml: str = YAML, rows: str = ROW) -> Path:
    (folder / "adding.yaml").write_text(yaml, encoding="utf-8")
    (folder / "adding.jsonl").write_text(rows, encoding="utf-8")
    return folder / "adding.yaml"


def test_a_task_has_its_samples(tmp_path: Path) -> None:
    task = load_task(_write(tmp_path))

    assert task.name == "adding"
    assert [sample.question for sample in task.samples("test")] == ["1 + 1?"]
    assert task.samples("probe") == ()
    assert task.score(task.samples("test")[0], " 2\n") == 1


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [
        (YAML + "colour: red\n", "colour"),
        (YAML.replace("exact", "exakt"), "scorer"),
        (YAML.replace("max_tokens: 8\n", ""), "max_tokens"),
        ("[]", "top level"),
    ],
)
def test_a_wrong_task_names_file_and_key(tmp_path: Path, yaml: str, problem: str) -> None:
    path = _write(tmp_path, yaml=yaml)

    with pytest.raises(ConfigError) as caught:
        load_task(path)

    assert str(path) in str(caught.value)
    assert problem in " ".join(caught.value.problems)


def test_text_that_is_not_yaml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not YAML"):
        load_task(_write(tmp_path, yaml="name: [1"))


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (ROW + "{", "line 2"),
        (ROW.replace("test", "train"), "line 1: split"),
        (ROW.replace("keywords", "tags"), "line 1: tags"),
        (ROW + ROW, "the id a-1 appears 2 times"),
    ],
)
def test_wrong_rows_are_named(tmp_path: Path, rows: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_task(_write(tmp_path, rows=rows))

    assert problem in " ".join(caught.value.problems)


def test_missing_data_is_named(tmp_path: Path) -> None:
    path = _write(tmp_path)
    (tmp_path / "adding.jsonl").unlink()

    with pytest.raises(ConfigError, match=r"adding\.jsonl"):
        load_task(path)


def test_unknown_task_names_the_known(tmp_path: Path) -> None:
    _write(tmp_path)

    with pytest.raises(ConfigError, match=r"multiplying.*Known tasks: adding"):
        load_tasks(["multiplying"], tmp_path)


def test_every_shipped_task_loads_with_its_own_answers_right() -> None:
    tasks = load_tasks()

    assert {"arithmetic", "two_skill", "foreign"} <= set(tasks)
    for task in tasks.values():
        assert task.samples("probe")
        assert task.samples("test")
        assert all(task.score(row, row.answer) == 1 for row in task.rows)
        assert task.spec.scorer in SCORERS


def test_probe_and_test_questions_differ() -> None:
    for task in load_tasks().values():
        probe = {sample.question for sample in task.samples("probe")}

        assert not probe & {sample.question for sample in task.samples("test")}
