"""What of an answer is scored, where a task says so: a group of a pattern, a key of an object."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aggregators.answers.objects import objects
from evals.scoring.searching import Pattern, search

LONGEST = 100_000
_CLOSING = {"{": "}", "[": "]", "(": ")"}
_QUOTED = re.compile(r"""(["'])((?:(?!\1)[^\\]|\\.)*)\1""", re.DOTALL)


class Extraction(BaseModel):
    """What a pattern finds, or the value of a key of a JSON object that stands in the text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    regex: Pattern | None = Field(
        None,
        description="Python's syntax; its first group that took part counts, or all of it without"
        " groups.",
    )
    json_key: str | None = Field(
        None, description="A key of a JSON object in the text; objects without it do not count."
    )
    which: Literal["first", "last"] = Field("last", description="Which one, where several match.")
    remove: str = Field(
        "", description="With `regex`: characters that are taken out of the text before."
    )
    multiline: bool = Field(False, description="With `regex`: ^ and $ match at every line.")
    lenient: bool = Field(
        False,
        description="With `json_key`: where no object can be read, look for the quoted key and what"
        " follows it.",
    )
    seconds: float = Field(2.0, gt=0, description="With `regex`: what one search may take.")

    @model_validator(mode="after")
    def _one_way(self) -> "Extraction":
        if (self.regex is None) == (self.json_key is None):
            raise ValueError("needs one of `regex` and `json_key`")
        return self

    def read(self, text: str) -> str:
        """The part of the text that counts; empty where there is none. Raises SlowPattern."""
        return self.find(text) or ""

    def find(self, text: str) -> str | None:
        """The same, or None where there is none. Raises SlowPattern.

        What a pattern finds has no spaces around it; a string of JSON has those that it was given.
        """
        if self.regex is None:
            return self._by_key(text)
        found = self._by_pattern(self.regex, text)
        return None if found is None else found.strip()

    def _by_pattern(self, pattern: str, text: str) -> str | None:
        tidy = text.translate({ord(one): None for one in self.remove})
        flags = int(re.MULTILINE) if self.multiline else 0
        return search(pattern, tidy, which=self.which, seconds=self.seconds, flags=flags)

    def _by_key(self, text: str) -> str | None:
        """The value, a string as it is, others as JSON."""
        key = str(self.json_key)
        found: list[Any] = [one[key] for one in objects(text, strict=False) if key in one]
        if not found and self.lenient:
            found = list(_written(key, text[:LONGEST]))
        if not found:
            return None
        value = found[0 if self.which == "first" else -1]
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def extract_by(steps: Iterable[Extraction], text: str) -> str | None:
    """What the steps leave of a text, one after the other; None where one finds nothing."""
    found: str | None = text
    for step in steps:
        if found is None:
            return None
        found = step.find(found)
    return found


def _written(key: str, text: str) -> Iterator[str]:
    """The values that stand after the quoted key, however broken the object is."""
    for found in re.finditer(rf"""["']?{re.escape(key)}["']\s*:\s*""", text):
        if value := _value_at(text, found.end()):
            yield value


def _value_at(text: str, start: int) -> str | None:
    """What is written as a value: in quotation marks, in brackets, or to the line's end."""
    if quoted := _QUOTED.match(text, start):
        try:
            return str(json.loads(f'"{quoted[2]}"', strict=False))
        except ValueError:
            return quoted[2]
    if text[start : start + 1] in _CLOSING:
        return _bracketed(text, start)
    line = text[start:].split("\n", 1)[0]
    return line.rstrip(" ,}`") or None


def _bracketed(text: str, start: int) -> str | None:
    open_: list[str] = []
    for place in range(start, len(text)):
        if text[place] in _CLOSING:
            open_.append(_CLOSING[text[place]])
        elif open_ and text[place] == open_[-1]:
            open_.pop()
            if not open_:
                return text[start : place + 1]
    return None
