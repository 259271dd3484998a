"""Reads the file of a batch, once: its lines are kept by number, and what is wrong is told."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from experts.errors import RequestError
from orchestrator.batch.files import lines
from orchestrator.batch.line import Result, custom_id_of, mistake, parse_line, too_long

LINES_AT_ONCE = 500
"""Records that are stored in one step."""
MOST_BYTES_AT_ONCE = 4 << 20

Keep = Callable[[dict[int, bytes], dict[int, Result]], Awaitable[None]]
"""Gets lines by their numbers, and the results of those that are wrong; both are emptied then."""


@dataclass(slots=True)
class Checked:
    """What was found in a file."""

    total: int = 0
    mistakes: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)
    """What makes all of it useless."""


def lines_log(batch: str) -> str:
    """The log of a batch's lines, by number."""
    return f"batch:{batch}:lines"


def results_log(batch: str) -> str:
    """The log of what came of them."""
    return f"batch:{batch}:results"


async def check(
    endpoint: str, content: AsyncIterator[bytes], longest: int, most_lines: int, keep: Keep
) -> Checked:
    """Give away every line of a file, and an error as the result of those that are wrong.

    A line may have `longest` bytes, a file `most_lines` lines. Raises what `keep` raises.
    """
    found, first_seen = Checked(), dict[str, int]()
    good: dict[int, bytes] = {}
    bad: dict[int, Result] = {}
    size = 0

    async def give() -> None:
        await keep(good, bad)
        good.clear()
        bad.clear()

    async for number, raw in lines(content, longest):
        found.total += 1
        if found.total > most_lines:
            message = f"The file has more than {most_lines} lines (batches.max_lines): split it."
            found.errors.append({"code": "too_many_lines", "message": message})
            return found
        try:
            if len(raw) > longest:
                raise too_long(longest / (1 << 20))
            line = parse_line(raw, endpoint)
        except RequestError as error:
            found.mistakes += 1
            bad[number] = mistake(error, custom_id_of(raw[:longest]), number)
        else:
            if (earlier := first_seen.setdefault(line.custom_id, number)) != number:
                found.errors.append(_twice(line.custom_id, number, earlier))
            good[number] = raw
            size += len(raw)
        if len(good) + len(bad) >= LINES_AT_ONCE or size >= MOST_BYTES_AT_ONCE:
            await give()
            size = 0
    await give()
    if not found.total:
        found.errors.append({"code": "empty_file", "message": "The file has no line in it."})
    return found


def _twice(custom_id: str, number: int, earlier: int) -> dict[str, Any]:
    return {
        "code": "duplicate_custom_id",
        "message": f"The custom_id `{custom_id}` is already used in line {earlier}.",
        "param": "custom_id",
        "line": number,
    }
