"""The locks serve every Python 3.11, whichever one resolved them."""

from collections.abc import Iterator
from importlib.metadata import Distribution, distributions

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from repository import ROOT

DEBIANS = "3.11.2"
"""Debian 12's, on which many servers are."""
LOCKS = ("cpu", "cuda", "gateways", "harness")


def _wanted(package: Distribution, python: str) -> Iterator[str]:
    for line in package.requires or ():
        asked = Requirement(line)
        given = {"python_full_version": python, "python_version": "3.11", "extra": ""}
        if asked.marker is None or asked.marker.evaluate(given):
            yield canonicalize_name(asked.name)


@pytest.mark.parametrize("lock", LOCKS)
def test_what_is_wanted_on_the_first_python_3_11_only_is_locked_too(lock: str) -> None:
    lines = (ROOT / "deploy" / "locks" / f"{lock}.txt").read_text(encoding="utf-8").splitlines()
    locked = {canonicalize_name(line.partition("==")[0]) for line in lines if "==" in line}
    packages = [one for one in distributions() if canonicalize_name(one.name) in locked]
    first, last = (
        {(one.name, name) for one in packages for name in _wanted(one, python)}
        for python in ("3.11.0", "3.11.99")
    )
    assert packages
    assert {(by, name) for by, name in first - last if name not in locked} == set()


def test_what_is_installed_here_says_that_it_runs_on_debians() -> None:
    told = {one.name: one.metadata.get("Requires-Python") or "" for one in distributions()}
    assert {name for name, said in told.items() if DEBIANS not in SpecifierSet(said)} == set()
