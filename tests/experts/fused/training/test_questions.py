"""Training data are read, or refused with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from experts.errors import ConfigError
from experts.fused.training.questions import MOST_SHOWN, Pair, Question, read_lines

BAD_QUESTIONS = """\
{"prompt": "What is 1 + 1?", "answer": "2", "source": "other keys are left alone"}
{"prompt": "What is 1 + 1?"}

{"prompt": "a", "messages": [{"role": "user", "content": "a"}], "answer": "b"}
not JSON
{"answer": "b"}
{"messages": [{"role": "robot", "content": "a"}], "answer": "b"}
{"messages": [], "answer": "b"}
"""


def test_every_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(BAD_QUESTIONS, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_lines([path], Question, 100)
    found = [problem.removeprefix(f"{path}:").split(":")[0] for problem in caught.value.problems]
    assert found == ["2", "4", "5", "6", "7", "8"]
    assert "answer" in caught.value.problems[0]
    assert "correct or delete these lines" in caught.value.hint


def test_bad_pairs(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(
        '{"prompt": "a", "chosen": "b", "rejected": "b"}\n{"prompt": "a", "chosen": "b"}\n',
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as caught:
        read_lines([path], Pair, 100)
    assert "nothing to prefer" in caught.value.problems[0]
    assert caught.value.problems[1].startswith(f"{path}:2: rejected")


def test_many_bad_lines_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text("{}\n" * (MOST_SHOWN + 7), encoding="utf-8")
    with pytest.raises(ConfigError, match="has 57 mistakes") as caught:
        read_lines([path], Question, 1000)
    assert len(caught.value.problems) == MOST_SHOWN + 1
    assert caught.value.problems[-1] == "and 7 more"


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file"), (b"\n", "no rows"), (b"\xff\xfe{}", "UTF-8"), (b"{}", "mistakes")],
)
def test_unusable_files(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "rows.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=reason):
        read_lines([path], Question, 100)


def test_too_many_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "a", "answer": "b"}\n' * 3, encoding="utf-8")
    assert len(read_lines([path], Question, 3)) == 3
    with pytest.raises(ConfigError, match="most_rows"):
        read_lines([path], Question, 2)
