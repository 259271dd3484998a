"""Where benchmarks' questions are, said with an option or in the environment."""

import os
from pathlib import Path

import pytest

from evals.cli import options
from evals.tasks import places


def test_the_data_root_reaches_the_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert options.DATA_ROOT == places.DATA_ROOT
    monkeypatch.delenv(places.DATA_ROOT, raising=False)
    assert options.wanted(None, None) == ()
    assert places.data_root() == Path("data")
    monkeypatch.setenv(places.DATA_ROOT, "elsewhere")
    assert options.wanted(["gsm8k"], Path("there")) == ("gsm8k",)
    assert os.environ[places.DATA_ROOT] == "there"
    assert places.data_root() == Path("there")
