"""Print which installed packages the service does not need: those that only developers use.

Run by the interpreter of an environment that has the whole lock:

    python prune.py pyproject.toml cpu
"""

import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

KEPT = ("pip",)
"""Also what nothing asks for: people install routers of their own with it."""


def needed(roots: Iterable[str], requires: Mapping[str, list[str]]) -> set[str]:
    """Every package that the roots need, with those that these need; all that are installed."""
    found: set[tuple[str, frozenset[str]]] = set()
    waiting = [Requirement(root) for root in roots]
    while waiting:
        wanted = waiting.pop()
        name, extras = canonicalize_name(wanted.name), frozenset(wanted.extras)
        if (name, extras) in found or name not in requires:
            continue
        found.add((name, extras))
        waiting += _applying(requires[name], extras)
    return {name for name, _ in found}


def _applying(lines: Iterable[str], extras: frozenset[str]) -> Iterator[Requirement]:
    for line in lines:
        wanted = Requirement(line)
        marker = wanted.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""}):
            yield wanted


def roots_of(pyproject: str, engine: str) -> list[str]:
    """What the project itself asks for, with its engine."""
    project = tomllib.loads(pyproject)["project"]
    return [*project["dependencies"], *project["optional-dependencies"][engine], "torch"]


def main(pyproject: str, engine: str) -> None:
    """Print a name on each line."""
    requires: dict[str, list[str]] = {
        canonicalize_name(one.name): one.requires or [] for one in distributions() if one.name
    }
    roots = roots_of(Path(pyproject).read_text(encoding="utf-8"), engine)
    kept = needed(roots, requires) | {*KEPT}
    print("\n".join(sorted(requires.keys() - kept)))


if __name__ == "__main__":
    main(*sys.argv[1:])
