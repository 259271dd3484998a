"""What of an answer is scored, where a task says so: a group of a pattern, a key of an object."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from aggregators.answers.objects import objects
from evals.scoring.searching import Pattern, search

LONGEST = 100_000
Which = Literal["first", "last"]


class _Step(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    which: Which = Field("last", description="Which of several counts.")


class RegexStep(_Step):
    """The first group of a pattern, or its whole match where it has no group."""

    kind: Literal["regex"]
    pattern: Pattern
    remove: str = Field("", description="Characters that are taken out of the text before.")
    seconds: float = Field(2.0, gt=0, description="What one search may take.")

    def __call__(self, text: str) -> str | None:
        """The text that was found; None where there is none. Raises SlowPattern."""
        tidy = text.translate({ord(one): None for one in self.remove})
        return search(self.pattern, tidy, which=self.which, seconds=self.seconds)


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
        key = re.escape(self.key)
        value = r"""(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s,}\n][^,}\n]*))"""
        for found in re.finditer(rf"""["']{key}["']\s*:\s*{value}""", text):
            yield next(part for part in found.groups() if part is not None)


Step = Annotated[RegexStep | JsonKeyStep, Field(discriminator="kind")]


def extract_by(steps: Iterable[Step], text: str) -> str | None:
    """What the steps leave of a text, one after the other; None where one finds nothing."""
    found: str | None = text
    for step in steps:
        if found is None:
            return None
        found = step(found)
    return found
