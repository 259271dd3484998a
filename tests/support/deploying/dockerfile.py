"""The Dockerfile as its builder reads it: stages of instructions, and the context that it gets."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from repository import ROOT

DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
_STAGE = re.compile(r"(?P<base>\S+)(?: AS (?P<name>\S+))?")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One of them, with its lines joined."""

    word: str
    rest: str


@dataclass(frozen=True, slots=True)
class Stage:
    """What follows one FROM."""

    base: str
    name: str | None
    instructions: tuple[Instruction, ...]

    def all(self, word: str) -> list[str]:
        """What follows each instruction of that kind."""
        return [one.rest for one in self.instructions if one.word == word]


def instructions(text: str) -> Iterator[Instruction]:
    """All of them, without comments."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield Instruction(word.upper(), " ".join(rest.split()))


def stages(text: str) -> tuple[list[Instruction], list[Stage]]:
    """What stands before the first FROM, and the stages."""
    before: list[Instruction] = []
    found: list[tuple[str, list[Instruction]]] = []
    for one in instructions(text):
        if one.word == "FROM":
            found.append((one.rest, []))
        else:
            (found[-1][1] if found else before).append(one)
    return before, [_stage(rest, inside) for rest, inside in found]


def _stage(rest: str, inside: list[Instruction]) -> Stage:
    match = _STAGE.fullmatch(rest)
    assert match is not None, rest
    return Stage(match["base"], match["name"], tuple(inside))


def environment(text: str) -> dict[str, str]:
    """What ENV sets in any stage."""
    _, found = stages(text)
    pairs = [pair for stage in found for rest in stage.all("ENV") for pair in rest.split()]
    return dict(pair.split("=", 1) for pair in pairs)


def in_context(path: Path) -> bool:
    """Whether `.dockerignore` lets a path of the repository in: the last line that fits decides."""
    name, allowed = str(path.relative_to(ROOT)), True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.strip().removeprefix("!")
        if pattern and not pattern.startswith("#") and _fits(name, pattern):
            allowed = line.startswith("!")
    return allowed


def _fits(name: str, pattern: str) -> bool:
    """A pattern fits a path, or a folder above it; `**/` stands for any folder, or none."""
    parts = name.split("/")
    above = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    if pattern.startswith("**/"):
        return any(fnmatch(part, pattern[3:]) for part in parts)
    # In Docker's patterns a * ends at a slash.
    return any(fnmatch(one, pattern) and one.count("/") == pattern.count("/") for one in above)
