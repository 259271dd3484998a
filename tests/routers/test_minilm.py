"""How texts become batches of the encoder's network, and how many cores it uses."""

from pathlib import Path

import pytest

from routers import minilm
from routers.minilm import BATCH_TOKENS, _batches


def test_batches_hold_every_row_once_and_are_bounded() -> None:
    lengths = [5, 256, 7, 3] * 50
    batches = list(_batches(lengths))

    assert sorted(row for rows in batches for row in rows) == list(range(200))
    assert all(len(rows) * max(lengths[row] for row in rows) <= BATCH_TOKENS for rows in batches)
    assert list(_batches([])) == []


@pytest.mark.parametrize(
    ("load", "idle"),
    [
        ("0.10 0.20 0.30 1/500 42", True),
        ("0.10 0.20 0.30 2/500 42", False),
        ("nothing that is known", False),
    ],
)
def test_a_second_core_is_used_only_where_one_is_idle(
    load: str, idle: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "loadavg").write_text(load)
    monkeypatch.setattr(minilm, "LOAD", tmp_path / "loadavg")
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert minilm._idle(2) is idle
