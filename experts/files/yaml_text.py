"""YAML as people write it: no key twice, and no tree that is endless, too large or too deep."""

from collections.abc import Hashable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from experts.errors import ConfigError

_MERGE = "tag:yaml.org,2002:merge"
_MISREAD = ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:null", "tag:yaml.org,2002:timestamp")
_VARIABLE = "${env:"
MOST_NODES = 100_000
"""Keys and values of a file, those that aliases repeat among them."""
DEEPEST = 64
"""Mappings and lists inside each other: what reads the tree may then recurse."""


def parse_yaml(text: str, path: Path) -> Any:
    """The value of a YAML text, which stands in the file `path`.

    Raises ConfigError with the line and the column of what is wrong, and no line of the text.
    """
    try:
        return yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 (it is a SafeLoader)
    except yaml.YAMLError as error:
        # Not its cause: PyYAML quotes the line, which may hold a secret.
        fault = error.fault if isinstance(error, _UnfitError) else "is not YAML"
        raise ConfigError(f"{path} {fault}.", problems=(_where(error, text),)) from None


def scalar(text: str) -> Any:
    """What YAML reads a text as that stands alone, without quotes; a text where it is no scalar."""
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return text
    return value if value is None or isinstance(value, bool | int | float) else text


def _where(error: yaml.YAMLError, text: str) -> str:
    """The line and the column of a mistake, and what PyYAML says about it."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return (
            f"line {line}: the character U+{ord(text[error.position]):04X} may not stand in YAML."
        )
    if not isinstance(error, yaml.MarkedYAMLError):
        return " ".join(str(error).split())
    mark = error.problem_mark or error.context_mark
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
    words = " ".join(part for part in (error.context, error.problem) if part)
    if mark is not None and text.startswith(_VARIABLE, max(0, mark.index - 1)):
        words += "; within { } and [ ], put ${env:NAME} into quotes"
    return f"{place}{words or 'the syntax is wrong'}."


class Misread:
    """A key that YAML reads as true, false, null or a date; it remembers how it is written."""

    __slots__ = ("value", "written")

    def __init__(self, written: str, value: bool | date | None) -> None:
        self.written = written
        self.value = value

    def __str__(self) -> str:
        return self.written

    def __repr__(self) -> str:
        return self.written

    def __eq__(self, other: object) -> bool:
        return self.value == (other.value if isinstance(other, Misread) else other)

    def __hash__(self) -> int:
        return hash(self.value)


class _UnfitError(yaml.constructor.ConstructorError):
    """The file is YAML, but its tree has no end, or more than we read."""

    fault = "is too large"


class _EndlessError(_UnfitError):
    """A part of the file contains itself."""

    fault = "is endless"


class _Size(NamedTuple):
    """How large the tree of a node is, with what its aliases repeat."""

    nodes: int
    depth: int

    def around(self, inner: "_Size") -> "_Size":
        """The size of what also holds a tree of size `inner`."""
        return _Size(self.nodes + inner.nodes, max(self.depth, inner.depth + 1))


class _UniqueKeyLoader(yaml.SafeLoader):
    """A SafeLoader that refuses equal keys, and trees that are endless, too large or too deep.

    YAML silently keeps the last of two equal keys; a config file must not. Aliases make a small
    file a tree that no memory holds, or one that contains itself.
    """

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._open: list[_Size] = []
        self._sizes: dict[Any, _Size] = {}
        """Of each node that is complete: an alias of another one stands inside what it names."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        self._bound(_Size(0, len(self._open) + 1), event)
        self._open.append(_Size(1, 1))
        node: Any = super().compose_node(parent, index)
        size = self._open.pop()
        if isinstance(event, yaml.AliasEvent):
            if node not in self._sizes:
                words = f"the alias `*{event.anchor}` stands inside what it names"
                raise _unfit(_EndlessError, words, event)
            size = self._sizes[node]
        self._sizes[node] = size
        if self._open:
            size = self._open[-1] = self._open[-1].around(size)
        self._bound(_Size(size.nodes, len(self._open) + size.depth - 1), event)
        return node

    def _bound(self, size: "_Size", event: Any) -> None:
        if size.nodes > MOST_NODES:
            words = f"the file has more than {MOST_NODES} keys and values, with those of aliases"
            raise _too_large(f"{words}; make it smaller", event)
        if size.depth > DEEPEST:
            words = f"more than {DEEPEST} mappings and lists stand inside each other"
            raise _too_large(f"{words}; make the nesting shallower", event)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise _mistake("a key must be a name, not a list or a mapping", key_node)
            if key in seen:
                if key_node.tag in _MISREAD:
                    words = f"the key {key_node.value} means the same as an earlier one to YAML"
                    raise _mistake(f"{words}; put it in quotes", key_node)
                raise _mistake(f"the key {key!r} appears twice; keep one", key_node)
            seen.add(key)
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        # What was merged stands among the others by now.
        written = {
            self.construct_object(key_node): key_node.value
            for key_node, _ in node.value
            if key_node.tag in _MISREAD
        }
        if not written:
            return found
        return {
            Misread(written[key], key) if isinstance(key, bool | date | None) else key: value
            for key, value in found.items()
        }

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError) as error:
            # What is wrong with a date is worth telling; other errors quote the text.
            kind = node.tag.rpartition(":")[2]
            dated = kind == "timestamp" and isinstance(error, ValueError)
            words = str(error) if dated else f"this is no `{kind}`"
            raise _mistake(f"{words}; put a text into quotes", node) from None


def _mistake(words: str, node: Any) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, words, node.start_mark)


def _too_large(words: str, event: Any) -> yaml.YAMLError:
    return _unfit(_UnfitError, words, event)


def _unfit(kind: type[_UnfitError], words: str, event: Any) -> yaml.YAMLError:
    return kind(None, None, words, event.start_mark)
