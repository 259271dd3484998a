"""How to read what counts out of a longer text."""

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

MOST_OBJECTS = 1_000
"""How many places where a JSON object might begin are looked at."""


class Extraction(BaseModel):
    """A regular expression, or the key of a JSON object; where there is none, the text is empty."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    regex: str | None = Field(
        None, description="Python's syntax; its first group counts, or all of it without groups."
    )
    json_key: str | None = Field(
        None, description="A key of a JSON object that stands in the text."
    )
    which: Literal["first", "last"] = Field("last", description="Which one, where several match.")

    @field_validator("regex")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"is no regular expression ({error})") from error
        return value

    @model_validator(mode="after")
    def _one_way(self) -> "Extraction":
        if (self.regex is None) == (self.json_key is None):
            raise ValueError("needs one of `regex` and `json_key`")
        return self

    def read(self, text: str) -> str:
        """The part of the text that counts, without spaces around it."""
        found = list(self._all(text))
        if not found:
            return ""
        return found[0 if self.which == "first" else -1].strip()

    def _all(self, text: str) -> Iterator[str]:
        if self.regex is not None:
            for match in re.finditer(self.regex, text):
                groups = [group for group in match.groups() if group is not None]
                yield groups[0] if groups else match.group()
            return
        for tree in _objects(text):
            if self.json_key in tree:
                value = tree[self.json_key]
                yield value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects that stand in a text, from left to right."""
    decoder, place = json.JSONDecoder(), text.find("{")
    for _ in range(MOST_OBJECTS):
        if place < 0:
            return
        try:
            tree, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            end = place + 1
        else:
            yield tree
        place = text.find("{", end)
