"""`coterie batch` looks at its file before it starts a service."""

from pathlib import Path

import pytest
from batch_lines import asked, written

from experts.errors import ConfigError
from orchestrator.cli.batch.command import State, Wanted, refuse_useless, remember
from orchestrator.config.batches_section import BatchesConfig

BOUNDS = BatchesConfig(max_lines=3, max_errors=1)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "The file has no line in it."),
        (b"\xef\xbb\xbf\r\n \n", "The file has no line in it."),
        (
            written(asked("one", "m", "?"), asked("one", "m", "?"), asked("one", "m", "?")),
            "line 2: The custom_id `one` is already used in line 1.",
        ),
        (
            written(*(asked(str(n), "m", "?") for n in range(4))),
            "The file has more than 3 lines (batches.max_lines): split it.",
        ),
    ],
)
async def test_what_nobody_would_be_asked_for_is_refused(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    file = tmp_path / "in.jsonl"
    file.write_bytes(content)
    wanted = Wanted(file, tmp_path / "out.jsonl", None, as_they_come=False)
    with pytest.raises(ConfigError) as caught:
        await refuse_useless(wanted, BOUNDS)
    assert caught.value.problems == (problem,)
    assert list(tmp_path.iterdir()) == [file]


async def test_some_wrong_lines_are_no_reason(tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    file.write_bytes(written(asked("one", "m", "?")) + b"{}\nnonsense\n")
    await refuse_useless(Wanted(file, tmp_path / "out", None, as_they_come=False), BOUNDS)


def test_a_state_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    output = tmp_path / "missing" / "out.jsonl"
    with pytest.raises(ConfigError, match=r"\.out\.jsonl\.batch cannot be written: No such file"):
        remember(output, State("digest", "where", ""))
