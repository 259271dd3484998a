"""What a run would take: the calls that it then makes, and nothing started for it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from scripted_experts import ScriptedExperts

from evals.client.progress import Progress
from evals.runs.folder import RunFolder
from evals.runs.run import run
from evals.runs.settings import RunOptions

Options = Callable[..., RunOptions]
MODELS = ("pool/auto", "pool/vote", "pool/cascade", "words")


async def told(pool: Path, options: RunOptions, dry: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, width=160)
    with Progress(console) as progress:
        finish = await run(progress, pool, options, dry)
    assert finish(console) == 0
    return out.getvalue()


def numbers(printed: str) -> tuple[int, int, int]:
    """Of the calls of the subjects, those to ask, and those in the cache."""
    found = re.search(r"at most (\d+) calls of the subjects: (\d+) to ask, (\d+) in", printed)
    assert found is not None, printed
    return int(found[1]), int(found[2]), int(found[3])


async def test_it_foretells_the_calls(
    pool: Path, experts: ScriptedExperts, options: Options
) -> None:
    given = options(models=MODELS)
    calls, asked, cached = numbers(await told(pool, given, dry=True))
    assert experts.bodies == []
    assert not given.out.exists()
    # 18 questions: one call each of two subjects, three each of two panels, at most.
    assert calls == 18 * (1 + 1 + 3 + 3)
    # Whoever is asked with log-probabilities, for the cascade, has then answered for everybody.
    assert (asked, cached) == (18 * 3, 0)
    await told(pool, given, dry=False)
    assert len(experts.bodies) <= asked
    assert numbers(await told(pool, given, dry=True))[2] == len(experts.bodies)
    info = RunFolder(given.out).info()
    assert info is not None
    assert info.totals is not None
    assert info.totals.calls <= calls


async def test_after_the_run_all_is_in_the_cache(
    pool: Path, experts: ScriptedExperts, options: Options
) -> None:
    given = options(models=("words", "sums"))
    before = await told(pool, given, dry=True)
    assert numbers(before) == (36, 36, 0)
    await told(pool, given, dry=False)
    after = await told(pool, given, dry=True)
    assert numbers(after) == (36, 0, 36)
    assert "loads 0" in after
    assert "0.0000 USD" in after


async def test_a_price_is_at_most_what_it_says(
    pool: Path, experts: ScriptedExperts, options: Options
) -> None:
    given = options(models=("words",), limit=2)
    printed = await told(pool, given, dry=True)
    found = re.search(r"at most ([\d.]+) USD", printed)
    assert found is not None
    await told(pool, given, dry=False)
    info = RunFolder(given.out).info()
    assert info is not None
    assert info.totals is not None
    assert info.totals.price_usd <= float(found[1]) + 1e-4
    # A remote expert's time is not known.
    assert "seconds -" in printed
