"""Which experts are known to read the same text in the same ids."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.config.model import Config
from orchestrator.request.prompts.token_ids import Detokenizer


@pytest.mark.parametrize(
    ("contents", "agree"),
    [
        (["x"], True),
        (["x", "x"], True),
        (["x", "y"], False),
        (["x", None], False),
        ([None, None], False),
    ],
)
def test_they_agree_whose_files_are_equal(
    make_config: Callable[..., Config],
    tmp_path: Path,
    contents: list[str | None],
    agree: bool,
) -> None:
    experts: dict[str, Any] = {}
    for number, content in enumerate(contents):
        folder = tmp_path / str(number)
        folder.mkdir()
        if content is not None:
            (folder / "tokenizer.json").write_text(content)
        experts[f"expert{number}"] = {"model": str(folder)}
    pool: Any = None
    detokenizer = Detokenizer(make_config(experts), pool)
    assert detokenizer.agree(list(experts)) is agree


def test_somebody_elses_server_has_a_tokenizer_that_is_not_known(
    make_config: Callable[..., Config], tmp_path: Path
) -> None:
    (tmp_path / "tokenizer.json").write_text("x")
    remote = {"type": "openai", "base_url": "http://x/v1", "model": "m"}
    pool: Any = None
    config = make_config({"own": {"model": str(tmp_path)}, "remote": remote})
    detokenizer = Detokenizer(config, pool)
    assert detokenizer.agree(["own"])
    assert not detokenizer.agree(["own", "remote"])
