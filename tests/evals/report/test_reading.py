"""Runs as they are found on a disk."""

import json
from pathlib import Path

import pytest
from made_runs import Setting, info, make_run, rows, write_run

from evals.report.reading import read_run
from evals.runs.record import RUN_FILE, SAMPLES_FILE
from experts.errors import ConfigError


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run")


def _lines(run: Path) -> list[bytes]:
    return (run / SAMPLES_FILE).read_bytes().splitlines(keepends=True)


def _write(run: Path, lines: list[bytes]) -> None:
    (run / SAMPLES_FILE).write_bytes(b"".join(lines))


def test_a_whole_run_needs_no_notice(run: Path) -> None:
    found = read_run(run)
    assert found.rows == tuple(rows(Setting()))
    assert (found.notices, found.finished) == ((), True)


def test_bom_crlf_empty_lines_and_line_separators_are_no_damage(run: Path) -> None:
    lines = _lines(run)
    tree = json.loads(lines[0])
    tree["answer"] = "one\u2028two"
    lines[0] = json.dumps(tree, ensure_ascii=False).encode() + b"\n"
    _write(run, [b"\xef\xbb\xbf", *(line.replace(b"\n", b"\r\n\r\n") for line in lines)])
    (run / RUN_FILE).write_bytes(b"\xef\xbb\xbf" + (run / RUN_FILE).read_bytes())

    found = read_run(run)
    assert found.rows[0].answer == "one\u2028two"
    assert found.rows[1:] == tuple(rows(Setting()))[1:]


def test_a_damaged_line_is_named(run: Path) -> None:
    lines = _lines(run)
    lines[6] = lines[6][:40] + b"\n"
    _write(run, lines)
    with pytest.raises(ConfigError, match=r"samples\.jsonl: line 7: is not JSON") as caught:
        read_run(run)
    assert "Run the evaluation again" in caught.value.hint


def test_a_run_that_was_killed_says_so_and_its_last_line_may_be_cut(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", info(Setting(), finished=False), rows(Setting()))
    lines = _lines(run)
    _write(run, [*lines[:40], lines[40][:30]])

    found = read_run(run)
    assert not found.finished
    assert len(found.rows) == 40
    assert found.notices[0].startswith("The last line of samples.jsonl is cut off") or (
        found.notices[0].startswith("The run is not finished")
    )
    assert any("cut off" in notice for notice in found.notices)


def test_the_last_line_of_a_finished_run_must_be_whole(run: Path) -> None:
    lines = _lines(run)
    _write(run, [*lines[:-1], lines[-1][:30]])
    with pytest.raises(ConfigError, match=f"line {len(lines)}"):
        read_run(run)


def test_an_empty_run_is_read(tmp_path: Path) -> None:
    found = read_run(write_run(tmp_path / "run", info(Setting()), []))
    assert found.rows == ()
    assert found.notices == ("The run has no rows.",)


def test_a_subject_without_rows_and_one_with_fewer_are_told(run: Path) -> None:
    kept = [line for line in _lines(run) if b'"subject": "beta"' not in line]
    _write(run, kept[:-3])
    silent, fewer = read_run(run).notices
    assert silent == "Subjects without rows: beta."
    assert fewer.startswith("sums: not every subject has all 30 answers (gamma 27)")


def test_a_subject_that_was_not_asked_a_task_is_told(tmp_path: Path) -> None:
    setting = Setting(tasks=("x", "y"))
    kept = [row for row in rows(setting) if (row.subject, row.task) != ("beta", "y")]
    [notice] = read_run(write_run(tmp_path / "run", info(setting), kept)).notices
    assert notice.startswith("y: not every subject has all 30 answers (beta 0)")


def test_a_row_that_is_there_twice_counts_once(run: Path) -> None:
    lines = _lines(run)
    _write(run, [*lines, lines[3], lines[4]])
    found = read_run(run)
    assert len(found.rows) == len(lines)
    assert found.notices == (
        f"2 rows were there before, and count once; the first is line {len(lines) + 1} of"
        " samples.jsonl.",
    )


@pytest.mark.parametrize("key", ["subject", "task"])
def test_a_row_of_another_run_is_refused(run: Path, key: str) -> None:
    lines = _lines(run)
    lines[2] = json.dumps({**json.loads(lines[2]), key: "stranger"}).encode() + b"\n"
    _write(run, lines)
    with pytest.raises(ConfigError, match=f"line 3: the {key} 'stranger' is not one of run.json"):
        read_run(run)


def test_keys_of_a_newer_version_are_told(run: Path) -> None:
    head = json.loads((run / RUN_FILE).read_text())
    head["subjects"][0]["colour"] = "red"
    (run / RUN_FILE).write_text(json.dumps(head))
    lines = _lines(run)
    _write(run, [json.dumps({**json.loads(line), "mood": 1}).encode() + b"\n" for line in lines])
    found = read_run(run)
    assert len(found.rows) == len(lines)
    assert found.notices == (
        "Keys that this version does not know were ignored: mood, subjects.colour.",
    )


def test_a_newer_format_is_refused(run: Path) -> None:
    head = json.loads((run / RUN_FILE).read_text())
    (run / RUN_FILE).write_text(json.dumps({**head, "format": 2}))
    with pytest.raises(ConfigError, match="the run has format 2; this version reads format 1"):
        read_run(run)


def test_a_folder_that_is_no_run_is_named(tmp_path: Path, run: Path) -> None:
    with pytest.raises(ConfigError, match=r"run\.json: cannot be read: No such file"):
        read_run(tmp_path)
    (run / SAMPLES_FILE).unlink()
    with pytest.raises(ConfigError, match=r"samples\.jsonl: cannot be read"):
        read_run(run)
    (run / RUN_FILE).write_text("{}")
    with pytest.raises(ConfigError, match=r"run\.json: created: Field required"):
        read_run(run)
