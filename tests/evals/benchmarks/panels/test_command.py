"""`coterie eval panels`: what it refuses, before a service is started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evals.benchmarks.panels import command
from experts.errors import ConfigError
from orchestrator.config.model import Config

REMOTE = {"type": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m"}


@pytest.mark.parametrize(
    ("wanted", "json_out", "words"),
    [
        ({}, None, "there is no panel to compare"),
        ({"beside": "nobody"}, None, "is called nobody"),
        ({}, Path("/"), "--json / *: cannot be written"),
    ],
)
async def test_what_is_refused_is_refused_before_a_service_starts(
    wanted: dict[str, Any],
    json_out: Path | None,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def ask_pool(*_: Any) -> Any:
        raise AssertionError("refused only after some work")

    monkeypatch.setattr(command, "ask_pool", ask_pool)
    settings = Config.model_validate({"experts": {"a": REMOTE}})
    with pytest.raises(ConfigError, match=words):
        await command.panels(None, settings, (), (), wanted, json_out)  # type: ignore[arg-type]
