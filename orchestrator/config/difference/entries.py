"""One thing that differs, and the entries of sections, one by one."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.config.difference.values import changed, leaves, shown


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs."""

    path: str
    """The key of the file."""
    words: str
    """What differs, and what follows from that, for people."""
    restart: bool = False
    """Whether a service that runs cannot take it over."""

    def __str__(self) -> str:
        return f"needs a restart: {self.words}" if self.restart else self.words


def entries(
    kind: str,
    section: str,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    follows: Callable[[str, str], str] = lambda name, key: "",
) -> Iterator[Change]:
    """What differs between the named entries of a section, each of which is a `kind`.

    `follows` says what comes of an entry that is `added`, `removed`, or has another value of a key.
    """
    for name in old:
        if name not in new:
            yield Change(f"{section}.{name}", f"{kind} {name} removed{follows(name, 'removed')}")
    for name, entry in new.items():
        if name not in old:
            yield Change(f"{section}.{name}", f"{kind} {name} added{follows(name, 'added')}")
            continue
        for key, words in values(old[name], entry):
            path = f"{section}.{name}.{key}"
            yield Change(path, f"{kind} {name}: {key} {words}{follows(name, key)}")


def values(old: Any, new: Any) -> Iterator[tuple[str, str]]:
    """Key and words of every value that differs between two sections."""
    before, after = leaves(old), leaves(new)
    for key in dict.fromkeys([*before, *after]):
        if key not in after:
            yield key, "left out"
        elif key not in before:
            yield key, changed(None, after[key]) if after[key] is None else _given(after[key])
        elif before[key] != after[key]:
            yield key, changed(before[key], after[key])


def _given(value: Any) -> str:
    words = changed(value, value)
    return words if "not shown" in words else f"is {shown(value)}"
