"""The lock of this environment, on the oldest Python that it is for: Debian 12's."""

from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from typing import Any

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from repository import ROOT

from orchestrator.cli.doctor.engine import locked_of, normalised

OLDEST = "3.11.2"
LEFT_OUT = {"torchaudio", "torchcodec", "torchvision"}
"""What the engine declares, and does not need for text."""
LOCKED = locked_of((ROOT / "deploy/locks/cpu.txt").read_text(encoding="utf-8"))
INSTALLED = {normalised(one.name): one for one in distributions() if one.metadata["Name"]}


def _wanted(found: Distribution) -> Iterator[str]:
    """What it needs there, beside what only its extras need."""
    where: Any = {**default_environment(), "python_full_version": OLDEST, "extra": ""}
    for text in found.requires or ():
        needs = Requirement(text)
        if needs.marker is None or needs.marker.evaluate(where):
            yield normalised(needs.name)


@pytest.mark.parametrize("name", sorted(LOCKED.keys() & INSTALLED.keys()))
def test_what_is_locked_runs_there_with_what_else_is_locked(name: str) -> None:
    found = INSTALLED[name]
    assert OLDEST in SpecifierSet(found.metadata.get("Requires-Python") or "")
    assert set(_wanted(found)) <= LOCKED.keys() | LEFT_OUT
