"""What of an answer is scored, where a task says so: a group of a pattern, a key of an object."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from aggregators.answers.objects import objects
from evals.scoring.searching import Pattern, search

LONGEST = 100_000
_CLOSING = {"{": "}", "[": "]", "(": ")"}
_QUOTED = re.compile(r"""(["'])((?:(?!\1)[^\\]|\\.)*)\1""", re.DOTALL)
Which = Literal["first", "last"]


class _Step(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    which: Which = Field("last", description="Which of several counts.")


class RegexStep(_Step):
    """The first group of a pattern, or its whole match where it has no group."""

    kind: Literal["regex"]
    pattern: Pattern
    remove: str = Field("", description="Characters that are taken out of the text before.")
    multiline: bool = Field(False, description="^ and $ match at every line.")
    seconds: float = Field(2.0, gt=0, description="What one search may take.")

    def __call__(self, text: str) -> str | None:
        """The text that was found; None where there is none. Raises SlowPattern."""
        tidy = text.translate({ord(one): None for one in self.remove})
        flags = int(re.MULTILINE) if self.multiline else 0
        return search(self.pattern, tidy, which=self.which, seconds=self.seconds, flags=flags)


class JsonKeyStep(_Step):
    """The value of a key of a JSON object; objects without the key do not count."""

    kind: Literal["json_key"]
    key: str
    lenient: bool = Field(
        False, description="Where no object can be read, look for the quoted key and its value."
    )

    def __call__(self, text: str) -> str | None:
        """The value, a string as it is, others as JSON; None where there is none."""
        found: list[Any] = [one[self.key] for one in objects(text, strict=False) if self.key in one]
        if not found and self.lenient:
            found = list(self._written(text[:LONGEST]))
        if not found:
            return None
        value = found[0 if self.which == "first" else -1]
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    def _written(self, text: str) -> Iterator[str]:
        for found in re.finditer(rf"""["']?{re.escape(self.key)}["']\s*:\s*""", text):
            if value := _value_at(text, found.end()):
                yield value


Step = Annotated[RegexStep | JsonKeyStep, Field(discriminator="kind")]


def extract_by(steps: Iterable[Step], text: str) -> str | None:
    """What the steps leave of a text, one after the other; None where one finds nothing."""
    found: str | None = text
    for step in steps:
        if found is None:
            return None
        found = step(found)
    return found


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
