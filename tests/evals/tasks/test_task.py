"""Loading tasks, and what a wrong file gets."""

from pathlib import Path

import pytest

from evals.scoring.registry import SCORERS
from evals.tasks.places import ZOO
from evals.tasks.task import asked, find_tasks, load_task, load_tasks, score_many
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
        (YAML.replace("max_tokens: 8", "max_tokens: 0"), "max_tokens"),
        (YAML.replace("data: adding.jsonl\n", ""), "needs `data`"),
        ("[]", "must be a mapping"),
        ("1: 2", "must be a mapping"),
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
        (ROW.replace('"2"', "null"), "line 1: answer"),
        (ROW + ROW, "the id a-1 appears 2 times"),
        (ROW.replace("test", "examples"), "no row is a question"),
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


def test_tasks_are_found_by_name_file_and_folder(tmp_path: Path) -> None:
    yaml = _write(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.csv").write_text("question,answer\n1 + 1?,2\n")
    (other / "notes.txt").write_text("nothing")
    wanted = ["arithmetic", str(yaml), str(other / "mine.csv"), f"{other}/", "arithmetic"]

    assert [task.name for task in find_tasks(wanted)] == ["arithmetic", "adding", "mine"]


def test_the_zoo_is_the_default() -> None:
    names = {path.stem for path in ZOO.glob("*.yaml")}
    assert {task.name for task in find_tasks(())} == names


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (["arithmetik"], "Did you mean `arithmetic`?"),
        (["nowhere.jsonl"], "nowhere.jsonl"),
        (["nowhere.yaml"], "nowhere.yaml cannot be read"),
        (["{folder}/"], "has no task"),
        (["{folder}/a/mine.csv", "{folder}/b/mine.csv"], "Several of these tasks are called mine"),
        (["{folder}/m.yaml/x", "{folder}/m.yaml"], "have the question m/x/"),
    ],
)
def test_what_names_no_task(tmp_path: Path, wanted: list[str], said: str) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.csv").write_text("question,answer\n1 + 1?,2\n")
    if "m.yaml" in wanted[0]:
        (tmp_path / "x.csv").write_text("question,answer\n1 + 1?,2\n")
        (tmp_path / "m.yaml").write_text("data: '{subtask}.csv'\nsubtasks: {x: {}}\n")
    with pytest.raises(ConfigError) as caught:
        find_tasks([name.format(folder=tmp_path) for name in wanted])
    assert said in str(caught.value)


def test_equal_ids_of_two_files_are_two_questions(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.csv").write_text(f"id,question,answer\n1,{name}?,2\n")
    tasks = find_tasks([str(tmp_path / f"{name}.csv") for name in ("one", "two")])
    assert [task.rows[0].id for task in tasks] == ["one/1", "two/1"]
    said = [(tasks[1], tasks[1].rows[0], "3"), (tasks[0], tasks[0].rows[0], "2")]
    assert score_many(said) == [0, 1]


def test_a_split_without_questions_is_said(tmp_path: Path) -> None:
    task = load_task(_write(tmp_path))
    assert asked([task], "test") == (task,)
    with pytest.raises(ConfigError, match="adding has no question of the split probe"):
        asked([task], "probe")


def test_owners_are_named_in_the_files() -> None:
    tasks = load_tasks()
    experts = ["duo", "strings"]
    assert tasks["roman"].owner(experts) == "duo"
    assert tasks["strings"].owner(experts) == "strings"
    assert tasks["two_skill"].owner(experts) is None
    assert [name for name, task in tasks.items() if task.spec.outside] == ["foreign"]
