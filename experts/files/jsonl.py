"""The one reader of files of JSON lines, and of the bytes of every text file of rows."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from experts.errors import ConfigError

T = TypeVar("T")
GZIP = ".gz"
_BLANK = " \t\r\ufeff"
MOST_PROBLEMS = 20
"""How many wrong lines a message names; the others are counted."""


class LineProblem(Exception):
    """What is wrong with one line, in sentences without its number."""

    def __init__(self, *sentences: str) -> None:
        super().__init__(*sentences)
        self.sentences = sentences


def read_text(path: Path) -> str:
    """The text of a UTF-8 file without its byte order mark; `.gz` is unpacked.

    Raises ConfigError where it cannot be read.
    """
    try:
        data = path.read_bytes()
        if path.suffix == GZIP:
            data = gzip.decompress(data)
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} cannot be read ({error}).", hint="Save the file as UTF-8."
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError(f"{path} cannot be read ({error}).") from error


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, each with its number, from 1.

    Only line feeds end a line: a text inside JSON may hold U+2028 and its like as they are. A
    carriage return before one is white space, and so is the byte order mark of a file that was put
    behind another one.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        if line := line.strip(_BLANK):
            yield number, line


def parse_json(text: str) -> Any:
    """The value of a JSON text. Raises LineProblem; NaN and infinity are no JSON."""
    if "\0" in text:
        raise LineProblem("not JSON (null characters: it was cut short, or is not UTF-8)")
    try:
        return json.loads(text, parse_constant=_no_number)
    except RecursionError as error:
        raise LineProblem("not JSON (nested too deeply)") from error
    except ValueError as error:
        raise LineProblem(f"not JSON ({error})") from error


def read_jsonl(path: Path, parse: Callable[[Any], T]) -> dict[int, T]:
    """What `parse` makes of the value of each line that is not blank, by the line's number.

    `parse` raises LineProblem; raises ConfigError with all lines that are wrong.
    """
    found: dict[int, T] = {}
    problems: list[str] = []
    for number, line in lines_of(read_text(path)):
        try:
            found[number] = parse(parse_json(line))
        except LineProblem as problem:
            problems += [f"line {number}: {sentence}" for sentence in problem.sentences]
    if problems:
        raise wrong_lines(path, problems)
    return found


def wrong_lines(path: Path, problems: list[str]) -> ConfigError:
    """The error about the lines of a file that are wrong; names the first of them."""
    shown = problems[:MOST_PROBLEMS]
    if len(problems) > len(shown):
        shown.append(f"and {len(problems) - len(shown)} more")
    return ConfigError(f"{path} has lines that are wrong.", problems=tuple(shown))


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")
