"""The benchmarks that ship, on the published questions, where these are there."""

from pathlib import Path

import pytest
import yaml
from repository import ROOT

from evals.scoring.registry import SCORERS
from evals.tasks.loading import load_task
from evals.tasks.places import BENCHMARKS, DATA_ROOT, ZOO, shipped
from evals.tasks.spec import TaskSpec
from experts.errors import ConfigError

SHARED = ROOT.parent / "shared" / "data"
FILES = sorted(BENCHMARKS.glob("*.yaml"))
QUESTIONS = {"gsm8k": 1319, "math_500": 500, "mmlu_pro": 6072, "bbh": 6511}
QUESTIONS |= {"strategyqa": 229, "humaneval": 164, "mbpp": 964, "ifeval": 541}
TEXTS_FOR_LETTERS = 3
"""Questions of BBH whose published answer is not one of their letters."""


def known(file: Path) -> bool:
    """Whether all scorers that a benchmark names are there."""
    tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    parts = (tree, *tree.get("subtasks", {}).values())
    wanted = [part["scorer"] for part in parts if "scorer" in part]
    return {one["name"] if isinstance(one, dict) else one for one in wanted} <= set(SCORERS)


CHECKED = [pytest.param(file, id=file.stem) for file in FILES if known(file)]


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One data root of all that is there."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not there: no published questions to check")
    for folder in ("questions", "outcomes"):
        for path in (SHARED / folder).iterdir():
            (tmp_path / path.name).symlink_to(path)
    monkeypatch.setenv(DATA_ROOT, str(tmp_path))


def test_each_is_found_by_its_name() -> None:
    assert set(QUESTIONS) == {file.stem for file in FILES}
    assert {file.stem for file in (*FILES, *ZOO.glob("*.yaml"))} == set(shipped())


@pytest.mark.parametrize("file", CHECKED)
def test_each_says_where_it_is_from(file: Path) -> None:
    spec = TaskSpec.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    assert spec.name == file.stem
    assert spec.source.startswith("https://")
    assert "arXiv:" in spec.source
    assert spec.licence
    assert spec.description


@pytest.mark.slow
@pytest.mark.parametrize("file", CHECKED)
def test_the_published_questions_are_read(file: Path, shared: None) -> None:
    task = load_task(file)
    assert len(task.rows) == QUESTIONS[task.name]
    assert task.samples("probe")
    assert task.samples("test")
    if task.spec.scorer in ("code", "instructions"):  # Theirs are not in a sentence.
        return
    written = _boxed if task.spec.scorer == "latex" else _written
    said = [(row, f"Let me think.\nThe answer is {written(row.answer)}.") for row in task.rows]
    lost = len(said) - sum(task.score_all(said))
    assert lost == (TEXTS_FOR_LETTERS if task.name == "bbh" else 0)


def _boxed(answer: str) -> str:
    return rf"\boxed{{{answer}}}"


def _written(answer: str) -> str:
    return f"({answer})" if len(answer) == 1 and answer.isalpha() else answer


def test_a_subtask_is_a_task(shared: None) -> None:
    whole, part = load_task(shipped()["bbh"]), load_task(shipped()["bbh"], "navigate")
    assert len({row.category for row in whole.rows}) == 27
    assert [row.id for row in part.rows] == [
        row.id for row in whole.rows if row.category == "navigate"
    ]
    assert {row.answer for row in part.rows} == {"Yes", "No"}
    assert part.score(part.rows[0], f"No! I mean: {part.rows[0].answer}") == 1


def test_missing_questions_are_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(DATA_ROOT, str(tmp_path))
    with pytest.raises(ConfigError) as caught:
        load_task(shipped()["strategyqa"])
    assert str(tmp_path / "strategyqa_dev.json") in str(caught.value)
    assert "github.com/eladsegal/strategyqa" in str(caught.value)
    assert "--data-root" in caught.value.hint


def test_the_template_is_a_task(tmp_path: Path) -> None:
    text = (ROOT / "evals/tasks/my_task.yaml").read_text(encoding="utf-8")
    (tmp_path / "my_task.yaml").write_text(text)
    (tmp_path / "my_task.jsonl").write_text('{"question": "1 + 1?", "answer": 2}')
    (row,) = load_task(tmp_path / "my_task.yaml").rows
    assert row.question == "1 + 1?\nAnswer with one word or number."
