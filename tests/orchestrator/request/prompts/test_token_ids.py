"""Which experts are known to read the same text in the same ids."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experts.errors import RequestError
from orchestrator.config.model import Config
from orchestrator.request.prompts.token_ids import agree, check_one_tokenizer


@pytest.mark.parametrize(
    ("contents", "expected"),
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
    expected: bool,
) -> None:
    experts: dict[str, Any] = {}
    for number, content in enumerate(contents):
        folder = tmp_path / str(number)
        folder.mkdir()
        if content is not None:
            (folder / "tokenizer.json").write_text(content)
        experts[f"expert{number}"] = {"model": str(folder)}
    assert agree(list(experts), make_config(experts).hosted()) is expected


def test_somebody_elses_server_has_a_tokenizer_that_is_not_known(
    make_config: Callable[..., Config], tmp_path: Path
) -> None:
    (tmp_path / "tokenizer.json").write_text("x")
    remote = {"type": "openai", "base_url": "http://x/v1", "model": "m"}
    config = make_config({"own": {"model": str(tmp_path)}, "remote": remote})
    check_one_tokenizer(["own"], config.hosted())
    with pytest.raises(RequestError, match="Token ids can be routed only where"):
        check_one_tokenizer(["own", "remote"], config.hosted())
