"""The folder of a run: whole or not there, one process at a time, and of one run only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from repository import ROOT

from evals.runs.folder import RunFolder
from evals.runs.record import (
    RUN_FILE,
    SAMPLES_FILE,
    ExpertInfo,
    Row,
    RunInfo,
    SubjectInfo,
    TaskInfo,
    Totals,
)
from experts.errors import ConfigError

TASK = TaskInfo(name="t", version=1, digest="d", questions=1, scorer="exact")


def info(**changes: object) -> RunInfo:
    whole = RunInfo(
        created="now",
        config="c",
        seed=0,
        subjects=(SubjectInfo(name="a", kind="expert"),),
        experts={"a": ExpertInfo(version="v")},
        tasks=(TASK,),
    )
    return whole.model_copy(update=changes)


def row(text: str = "x") -> Row:
    return Row(subject="a", task="t", sample="1", category="t", question=text, answer=text, score=1)


def test_a_run_is_begun_and_gone_on_with(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "deep" / "run")
    assert folder.info() is None
    first = folder.begin(info())
    assert first == info()
    # Another time, and what a machine says of memory, is no other setting.
    other = info(created="later", experts={"a": ExpertInfo(version="v", memory_gb=2.0)})
    assert folder.begin(other) == first
    ended = first.model_copy(update={"totals": Totals(seconds=1, calls=1, asked=1, cached=0)})
    folder.finish(ended, [row()])
    assert folder.begin(other) == ended
    assert folder.rows() == [row()]
    assert sorted(path.name for path in folder.path.iterdir()) == [RUN_FILE, SAMPLES_FILE]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"seed": 3}, "seed: 0, and 3"),
        ({"limit": 5}, "limit: nothing, and 5"),
        ({"temperature": 0.5}, "temperature: nothing, and 0.5"),
        ({"config": "z"}, "config: c, and z"),
        ({"experts": {"a": ExpertInfo(version="w")}}, "experts.a.version: v, and w"),
        ({"subjects": ()}, "subjects: a, and none"),
        ({"tasks": (TASK.model_copy(update={"digest": "e"}),)}, "tasks.t.digest: d, and e"),
    ],
)
def test_other_settings_are_refused_by_name(
    tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    folder = RunFolder(tmp_path)
    folder.begin(info())
    with pytest.raises(ConfigError) as error:
        folder.begin(info(**changes))
    assert error.value.problems == (told,)


# It writes files, and waits for the disk: on a busy machine one example may take long.
@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    folder.finish(info(), [row(text), row("\u2028\r\n\x85")])
    assert folder.rows() == [row(text), row("\u2028\r\n\x85")]


@pytest.mark.parametrize("content", ["", "no JSON", '{"format": 1}'])
def test_a_head_that_is_none_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / RUN_FILE).write_text(content)
    with pytest.raises(ConfigError, match="not the head of a run"):
        RunFolder(tmp_path).begin(info())


def test_a_line_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / SAMPLES_FILE).write_text("{}\n")
    with pytest.raises(ConfigError, match="line 1 is no row: subject"):
        RunFolder(tmp_path).rows()


def test_samples_without_a_head_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / SAMPLES_FILE).write_text("somebody's")
    with pytest.raises(ConfigError, match="has a samples"):
        RunFolder(tmp_path).begin(info())
    assert (tmp_path / SAMPLES_FILE).read_text() == "somebody's"


def test_a_place_that_is_no_folder_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ConfigError, match="cannot hold a run"):
        RunFolder(file).begin(info())


HOLD = """
import sys
from pathlib import Path
from evals.runs.folder import RunFolder
with RunFolder(Path(sys.argv[1])).held():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_processes_do_not_write_one_run(tmp_path: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(ConfigError, match="Another process"), RunFolder(tmp_path).held():
        pass
    other.kill()
    other.communicate()
    with RunFolder(tmp_path).held():
        pass


FULL = """
import resource, sys
from pathlib import Path
from evals.runs.folder import RunFolder
from evals.runs.record import Row, RunInfo
from experts.errors import ServiceError
folder = RunFolder(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
row = Row(subject="a", task="t", sample="1", category="t", question="x" * 500, score=1)
try:
    folder.finish(folder.info(), [row] * 1000)
except ServiceError as error:
    print(error)
"""


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.finish(info(), [row()])
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)],
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        check=True,
    )
    assert "is full" in done.stdout, done.stdout + done.stderr
    assert folder.rows() == [row()]
    assert sorted(path.name for path in tmp_path.iterdir()) == [RUN_FILE, SAMPLES_FILE]
