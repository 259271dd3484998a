"""People's labels: the file's border, and what they correct."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from made_runs import Setting, info, make_run, rows, write_run
from rich.console import Console

from evals.client.progress import Progress
from evals.report import command
from evals.report.labels import corrections, read_labels
from evals.report.reading import Run, read_run
from evals.report.writing import write_report
from evals.scoring.corrected import LEAST_GOLD
from experts.errors import ConfigError


def label(number: int = 0, **changes: Any) -> dict[str, Any]:
    given = {"subject": "alpha", "task": "sums", "sample": f"sums-{number}", "score": 1}
    return {**given, **changes}


def write(folder: Path, *lines: dict[str, Any] | str) -> Path:
    path = folder / "labels.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return read_run(make_run(tmp_path / "run", Setting(questions=40)))


def test_every_mistake_is_told_with_its_line(tmp_path: Path, run: Run) -> None:
    file = write(
        tmp_path,
        label(0),
        "{not json",
        label(1, score=1.5),
        label(2, grade=1),
        label(3, score="good"),
        {"subject": "alpha"},
        "",
        "[1]",
    )
    with pytest.raises(ConfigError) as error:
        read_labels(file, run)
    told = error.value.problems
    for number, words in [
        (2, "not JSON"), (3, "score"), (4, "grade"), (5, "score"), (6, "task"), (8, ""),
    ]:  # fmt: skip
        assert any(one.startswith(f"line {number}: ") and words in one for one in told), told
    assert not any(one.startswith("line 1: ") for one in told)


def test_a_label_is_of_an_answer_of_the_run_and_the_only_one(tmp_path: Path, run: Run) -> None:
    file = write(
        tmp_path,
        label(0),
        label(subject="nobody"),
        label(task="essays"),
        label(99),
        label(1, draw=1),
        label(0, score=0),
    )
    with pytest.raises(ConfigError) as error:
        read_labels(file, run)
    assert error.value.problems == (
        "line 2: subject: the run has no answers of 'nobody'",
        "line 3: task: 'alpha' has no answers in 'essays'",
        "line 4: sample: 'sums' has no question 'sums-99'",
        "line 5: draw: the question has no draw 1",
        "line 6: the answer has a label in line 1",
    )


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-0.1", "true", "null"])
def test_a_score_is_a_number_in_its_bounds(tmp_path: Path, run: Run, number: str) -> None:
    file = write(tmp_path, json.dumps(label()).replace(": 1}", f": {number}}}"))
    with pytest.raises(ConfigError) as error:
        read_labels(file, run)
    assert error.value.problems[0].startswith("line 1: ")


def test_a_file_without_labels_is_told(tmp_path: Path, run: Run) -> None:
    with pytest.raises(ConfigError, match="holds no labels"):
        read_labels(write(tmp_path, "", ""), run)


def test_too_few_labels_are_told_and_correct_nothing(tmp_path: Path, run: Run) -> None:
    enough = [label(n, score=0) for n in range(LEAST_GOLD)]
    few = [label(n, subject="beta") for n in range(LEAST_GOLD - 1)]
    found, notices = corrections(run, read_labels(write(tmp_path, *enough, *few), run))
    assert list(found) == [("alpha", "sums")]
    assert found["alpha", "sums"].questions == 40
    assert notices[1] == "beta, sums: 7 labelled questions; fewer than 8 correct nothing."
    assert "alpha, sums: corrected by 8 labelled questions" in notices[0]


def test_labels_that_agree_with_the_scores_change_nothing(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "run", Setting(questions=200)))
    own = [row for row in run.rows if row.subject == "alpha"]
    chosen = random.Random(3).sample(own, 100)
    lines = [label(sample=row.sample, score=row.score) for row in chosen]
    found, _ = corrections(run, read_labels(write(tmp_path, *lines), run))
    mean = sum(row.score for row in own) / len(own)
    assert found["alpha", "sums"].mean == pytest.approx(mean, abs=0.03)
    assert found["alpha", "sums"].low < mean < found["alpha", "sums"].high


def test_draws_of_one_question_count_as_one(tmp_path: Path) -> None:
    setting = Setting(questions=40, samples=4)
    run = read_run(make_run(tmp_path / "run", setting))
    lines = [label(n, draw=draw) for n in range(LEAST_GOLD - 1) for draw in range(4)]
    found, notices = corrections(run, read_labels(write(tmp_path, *lines), run))
    assert found == {}
    assert "7 labelled questions" in notices[0]


def test_the_report_shows_both_and_says_why(tmp_path: Path, progress: Progress) -> None:
    setting = Setting(questions=40)
    head = info(setting)
    head = head.model_copy(
        update={"tasks": tuple(t.model_copy(update={"scorer": "judge"}) for t in head.tasks)}
    )
    folder = write_run(tmp_path / "run", head, rows(setting))
    told = (
        "An expert has graded the answers to sums: only people's labels (--labels) tell its bias."
    )
    assert told in write_report(folder).report.notices

    file = write(tmp_path, *(label(n, score=n % 2) for n in range(20)))
    finish = command.report(progress, folder, 10, file)
    console = Console(record=True, width=220)
    assert finish(console) == 0
    printed = console.export_text()
    assert "corrected %" in printed
    assert "alpha, sums: corrected by 20 labelled questions" in printed
    assert told not in printed
    tree = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    [alpha] = [line for line in tree["overall"]["lines"] if line["subject"] == "alpha"]
    assert alpha["corrected"]["low"] < alpha["corrected"]["mean"] < alpha["corrected"]["high"]
