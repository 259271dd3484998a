"""What sizing found: the answer in a sentence, the table behind it, and all that was assumed."""

import json
import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from evals.benchmarks.sizing.pool import Pool
from evals.benchmarks.sizing.search import (
    AND,
    BURST,
    COMPUTE,
    MEMORY,
    SHARED,
    Answer,
    Measured,
    Row,
    Wish,
)
from evals.benchmarks.sizing.traffic import Traffic
from evals.reporting.numbers import counted, number
from evals.reporting.table import percent, print_table, say

MANY_COLD = 0.1
"""From this share of cold loads on, they are worth a word."""
WIDTH = 100


@dataclass(frozen=True, slots=True)
class Sizing:
    """Everything that there is to say."""

    pool: Pool
    traffic: Traffic
    wish: Wish
    answer: Answer
    assumptions: tuple[str, ...]
    measured: Measured | None = None
    """What the calls of the trace have really waited."""

    @property
    def code(self) -> int:
        """The exit code: 1 where no number of slots is enough."""
        return 0 if self.answer.enough else 1

    def devices(self, slots: int) -> str:
        """So many slots, as what is bought."""
        if not self.pool.on_gpu:
            return counted(slots, "slot")
        return counted(slots * self.pool.device.gpus, "GPU")


def print_sizing(console: Console, found: Sizing) -> int:
    """Print it; returns the exit code."""
    for line in _head(found):
        say(console, line)
    say(console)
    _print_rows(console, found)
    say(console)
    for line in _wrapped(conclusion(found)):
        say(console, line, "bold")
    if found.answer.enough:
        say(console)
        for line in _section(found):
            say(console, line)
    say(console)
    say(console, "Assumed and measured:")
    for sentence in found.assumptions:
        first, *rest = _wrapped(sentence, WIDTH - 2)
        say(console, f"- {first}")
        for line in rest:
            say(console, f"  {line}")
    return found.code


def conclusion(found: Sizing) -> str:
    """The answer in plain sentences."""
    answer = found.answer
    parts = [_enough(found)] if answer.enough else [_not_enough(found)]
    if answer.limit is not None:
        parts.append(_limit(found, answer.limit))
    return " ".join([*parts, *_worse(found), *_hot(found), *_cold(found)])


def as_json(found: Sizing) -> dict[str, Any]:
    """All of it for programs."""
    return {
        "enough": found.answer.enough,
        "gpus": _gpus(found),
        "limit": found.answer.limit,
        "conclusion": conclusion(found),
        "wish": asdict(found.wish),
        "rows": [_plain(asdict(row)) for row in found.answer.rows],
        "busy_engines": dict(found.answer.hot),
        "measured": found.measured and asdict(found.measured),
        "traffic": {
            "source": found.traffic.source,
            "requests": found.traffic.requests,
            "calls": len(found.traffic.calls),
            "seconds": found.traffic.span_s,
        },
        "pool": [_plain(asdict(engine)) for engine in found.pool.engines],
        "assumptions": list(found.assumptions),
    }


def write_json(path: Path, found: Sizing) -> None:
    """Write it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(as_json(found), indent=1) + "\n", encoding="utf-8")


def _head(found: Sizing) -> Iterator[str]:
    traffic, pool = found.traffic, found.pool
    sizes = [engine.memory_gb for engine in pool.engines]
    rate = f", {number(traffic.rate)} a second" if traffic.span_s else ", all at once"
    yield (
        f"Traffic  {traffic.source}: {counted(traffic.requests, 'request')},"
        f" {counted(len(traffic.calls), 'call')} of experts in {_duration(traffic.span_s)}{rate}"
    )
    low, high = number(min(sizes)), number(max(sizes))
    each = f"{low} GB" if low == high else f"{low} to {high} GB"
    kind = "GPU" if pool.on_gpu else "slot"
    yield (
        f"Pool     {counted(len(pool.engines), 'engine')} of {each}, {number(sum(sizes))} GB"
        f" together; a {kind} has {number(pool.room_gb)} GB for them"
    )
    wishes = ", ".join(f"{kind} within {s:g} s" for kind, s in found.wish.p95_s.items())
    yield (
        f"Wish     95 % of the calls begin in time ({wishes}), and answers take at most"
        f" {found.wish.slowdown:g} times as long as alone"
    )


def _print_rows(console: Console, found: Sizing) -> None:
    several = len(found.wish.p95_s) > 1
    kinds = list(found.wish.p95_s)
    first = (f"{kind} wait" if several else "wait" for kind in kinds)
    heads = [head for name in first for head in (f"{name} p50", "p95", "p99")]
    columns = (
        "GPUs" if found.pool.on_gpu else "slots",
        *heads,
        "answer p95",
        "slower",
        "loads/min",
        "loading %",
        "computing %",
        "enough",
    )
    rows = [_cells(found, row, kinds) for row in found.answer.rows]
    if found.measured is not None and not several:
        waits = found.measured.waits
        told = (_s(waits.p50), _s(waits.p95), _s(waits.p99))
        rows.append((f"{found.measured.slots}, real", *told, *("" for _ in columns[4:])))
    bold = [row.enough for row in found.answer.rows].index(True) if found.answer.enough else -1
    print_table(console, columns, rows, bold=bold)


def _cells(found: Sizing, row: Row, kinds: Sequence[str]) -> tuple[str, ...]:
    waits: list[str] = []
    for kind in kinds:
        one = row.waits.get(kind)
        waits += ["-"] * 3 if one is None else [_s(one.p50), _s(one.p95), _s(one.p99)]
    played = bool(row.waits)
    return (
        str(row.slots * (found.pool.device.gpus if found.pool.on_gpu else 1)),
        *waits,
        _s(row.answer_p95_s) if played else "-",
        f"{row.slowdown:.1f}" if played else "-",
        f"{row.loads_per_minute:.1f}" if played else "-",
        percent(row.loading) if played else "-",
        percent(row.computing) if row.computing <= 1 else f"{100 * row.computing:.0f}",
        "yes" if row.enough else "no",
    )


def _enough(found: Sizing) -> str:
    row = next(row for row in found.answer.rows if row.slots == found.answer.enough)
    waits = ", ".join(
        f"95 % of the calls of class {kind} begin"
        f" {'at once' if one.p95 < 0.005 else f'within {_s(one.p95)} s'}"
        for kind, one in row.waits.items()
    )
    few = f"{found.devices(row.slots)} {_are(row.slots, found)} enough"
    return f"{few}: {waits}, with {row.loads_per_minute:.1f} loads a minute."


def _are(slots: int, found: Sizing) -> str:
    return "is" if found.devices(slots).startswith("1 ") else "are"


def _not_enough(found: Sizing) -> str:
    most = found.answer.rows[-1]
    return (
        f"{found.devices(most.slots)} {_are(most.slots, found)} not enough, and no more were tried"
        " (--most)."
    )


def _limit(found: Sizing, limit: str) -> str:
    enough = found.answer.enough
    row = [row for row in found.answer.rows if not enough or row.slots < enough][-1]
    which = f"With {found.devices(row.slots)}," if enough else "There,"
    first, both, second = limit.partition(AND)
    if first == MEMORY and not both:
        return (
            f"{which} memory is what limits: engines make room for each other, and their loads are"
            " waited for."
        )
    asked = percent(min(row.computing, 1.0))
    other = {
        COMPUTE: "compute is what limits: more is asked for than they can answer in time.",
        SHARED: "compute is what limits: all begin in time, but answers that are written at the"
        f" same time share it and take longer than wished (--slowdown), though only {asked} % of"
        " it is asked for.",
        BURST: "bursts are what limits: calls come so many at a time that they wait for each"
        f" other, though only {asked} % of the compute is asked for.",
    }[second or first]
    if not both:
        return f"{which} {other}"
    return (
        f"{which} memory limits, since engines are loaded again and again; and without any loads,"
        f" {other}"
    )


def _worse(found: Sizing) -> Iterator[str]:
    """Larger numbers than the one that is enough, and not enough themselves."""
    enough = found.answer.enough
    more = [row for row in found.answer.rows if enough and row.slots > enough and not row.enough]
    if more and enough:
        few = found.devices(more[0].slots)
        yield (
            f"But with {few} it is not as wished, although there are more: {found.devices(enough)}"
            f" {_are(enough, found)} enough by chance, so close to the wish. Leave some room, and"
            " try other numbers."
        )


def _hot(found: Sizing) -> Iterator[str]:
    if found.answer.hot:
        kind = "GPU" if found.pool.on_gpu else "slot"
        name, share = found.answer.hot[0]
        yield (
            f"{name} alone takes {share:.1f} of a {kind}'s compute: a second replica of it is only"
            f" loaded where the first one is full, so lower experts.{name}.max_in_flight."
        )


def _cold(found: Sizing) -> Iterator[str]:
    """Of the last number that was not enough, or else of the one that is: what its loads are."""
    pool, answer = found.pool, found.answer
    short = [row for row in answer.rows if row.waits and not row.enough]
    row = ([*short, *answer.rows] if answer.enough is None else [*short[-1:], *answer.rows])[0]
    if not pool.on_gpu or not row.loads or row.cold_loads < MANY_COLD * row.loads:
        return
    longest = max(engine.load_s for engine in pool.engines)
    yield (
        f"With {found.devices(row.slots)}, {row.cold_loads} of {counted(row.loads, 'load')} are"
        f" cold, up to {longest:.0f} s each: an expert only wakes where it sleeps, host memory for"
        f" that is {pool.host_gb:g} GB a slot (slots.host_memory_gb), and each that sleeps keeps"
        f" {pool.asleep_gb:g} GB of its GPU."
    )


def _section(found: Sizing) -> Iterator[str]:
    pool, slots = found.pool, found.answer.enough
    yield "slots:"
    yield f"  count: {slots}"
    if pool.on_gpu:
        yield f"  gpus: {pool.device.gpus}"
    yield f"  memory_gb: {pool.slot_gb:g}"


def _gpus(found: Sizing) -> int | None:
    enough = found.answer.enough
    return enough * found.pool.device.gpus if enough and found.pool.on_gpu else None


def _plain(tree: dict[str, Any]) -> dict[str, Any]:
    """JSON knows no infinity."""
    return {
        key: _plain(value)
        if isinstance(value, dict)
        else (None if isinstance(value, float) and not math.isfinite(value) else value)
        for key, value in tree.items()
    }


def _s(seconds: float) -> str:
    return f"{seconds:.2f}" if seconds < 100 else f"{seconds:.0f}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def _wrapped(text: str, width: int = WIDTH) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
