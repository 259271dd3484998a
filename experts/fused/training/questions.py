"""Questions with answers, and preference pairs, read from JSONL files and checked."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from experts.errors import ConfigError

MOST_SHOWN = 50
"""Bad lines that are named one by one; further ones are only counted."""


class Message(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    role: Literal["system", "user", "assistant"]
    content: str


class Asked(BaseModel):
    """What was asked: `prompt`, which is one user's message, or `messages`."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    prompt: str | None = None
    messages: tuple[Message, ...] | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> "Asked":
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("needs either `prompt` (a text) or `messages` (a list), not both")
        if self.messages is not None and not self.messages:
            raise ValueError("`messages` is empty")
        return self

    def question(self) -> str:
        """The last thing that a user says: what a router of whole questions looks at."""
        turns = [turn["content"] for turn in self.conversation() if turn["role"] == "user"]
        return turns[-1] if turns else ""

    def conversation(self) -> list[dict[str, str]]:
        """Give the messages as chat templates take them."""
        if self.messages is None:
            return [{"role": "user", "content": self.prompt or ""}]
        return [{"role": turn.role, "content": turn.content} for turn in self.messages]


class Question(Asked):
    """A line of a file of questions."""

    answer: str


class Pair(Asked):
    """A line of a file of preferences."""

    chosen: str
    rejected: str

    @model_validator(mode="after")
    def _different(self) -> "Pair":
        if self.chosen == self.rejected:
            raise ValueError("`chosen` and `rejected` are equal: there is nothing to prefer")
        return self


Line = TypeVar("Line", Question, Pair)


def read_lines(paths: Sequence[Path], kind: type[Line], most: int) -> list[Line]:
    """Read JSONL files; blank lines are skipped.

    Raises ConfigError that names every bad line as `file:line`, and one for more than `most`.
    """
    lines: list[Line] = []
    problems: list[str] = []
    for path in paths:
        for number, text in enumerate(_read(path), start=1):
            if not text.strip():
                continue
            try:
                lines.append(kind.model_validate_json(text))
            except ValidationError as error:
                problems += [f"{path}:{number}: {_explain(found)}" for found in error.errors()]
    if problems:
        count = len(problems)
        if count > MOST_SHOWN:
            problems[MOST_SHOWN:] = [f"and {count - MOST_SHOWN} more"]
        raise ConfigError(
            f"The training data has {count} mistakes.",
            problems=tuple(problems),
            hint=f"Each line is a JSON object with {_fields(kind)}; correct or delete these lines.",
        )
    if not lines:
        raise ConfigError(f"{', '.join(map(str, paths))}: no rows to train on.")
    if len(lines) > most:
        message = f"{len(lines)} rows of training data are more than `most_rows` ({most})."
        raise ConfigError(message, hint="Raise `most_rows`, or give fewer rows.")
    return lines


def _read(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from file
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}).") from error


def _explain(found: Any) -> str:
    place = ".".join(map(str, found["loc"]))
    message = str(found["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _fields(kind: type[Question] | type[Pair]) -> str:
    answers = "`answer`" if kind is Question else "`chosen` and `rejected`"
    return f"`prompt` or `messages`, and {answers}"
