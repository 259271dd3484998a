"""`coterie eval run --dry-run`: what a run would take, told before an engine starts."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from rich.console import Console

from aggregators.base import with_logprobs
from evals.client.progress import Progress
from evals.reporting.numbers import counted
from evals.reporting.table import Finish, print_table, say
from evals.runs.asking.cache import AnswerCache
from evals.runs.asking.keys import call_key
from evals.runs.forecast import Wanted, wanted_calls
from evals.runs.judging import add_grades
from evals.runs.questions import Asked
from evals.runs.settings import RunOptions
from evals.runs.subjects.pool import Subject
from orchestrator.cli.plan.batch_file import BatchLine
from orchestrator.cli.plan.share import Share, add_costs, share_out
from orchestrator.cli.plan.tokens import LETTERS_PER_TOKEN
from orchestrator.cli.ps import fetch
from orchestrator.config.model import Config
from orchestrator.request.plan import prices_of
from orchestrator.residency.cost_store import known_costs
from orchestrator.residency.forecast import forecast

Known = Mapping[str, Mapping[str, Any]]
"""Engine -> what its loads and calls were measured to take."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """A run that was not made."""

    questions: int
    calls: int
    cached: int
    shares: Sequence[Share]
    prices: Mapping[str, float]
    loads: int
    seconds: float | None
    """None where some engine's costs are not known."""
    grades: int
    """Answers that an expert grades, at most."""


async def dry_run(
    settings: Config,
    options: RunOptions,
    subjects: Sequence[Subject],
    rows: Sequence[Asked],
    versions: Mapping[str, str],
    progress: Progress,
) -> Finish:
    """Count, look into the cache, and return what prints it. Raises ConfigError, ServiceError."""
    wanted = await wanted_calls(subjects, rows, versions, progress)
    grades = add_grades(wanted, rows, len(subjects))
    _take_out(wanted, versions, lambda key: False)
    path, cached, known = options.cache_path(opaque=False), 0, dict[str, dict[str, Any]]()
    if path.exists():
        cache = AnswerCache(path)
        cached = _take_out(wanted, versions, lambda key: cache.get(key) is not None)
        known = {name: _entry(cache.costs(name, versions[name])) for name in settings.hosted()}
        cache.close()
    known |= await _stored(settings, progress)
    if options.url is not None:
        known |= fetch(options.url, options.api_key).get("loads", {})
    shares = _shares(wanted, settings)
    works = []
    for share in shares:
        if share.hosted:
            work = add_costs(share, settings, known)
            measured = known.get(share.engine, {}).get("measured", ())
            share.measured = {"load_s", "service_s"} <= set(measured)
            if "share_s" not in measured:
                # Not in waves of what the engine could take: this many are under way at once.
                share.work_s = share.calls.total() * share.service_s / options.in_flight
            works.append(replace(work, work_s=share.work_s))
    found = forecast(works, [settings.slots.memory_gb] * settings.slots.count)
    hosted = [share for share in shares if share.hosted]
    sure = all(share.measured for share in hosted) and len(hosted) == len(shares)
    dry = DryRun(
        len(rows) // options.sampling.samples,
        wanted.total,
        cached,
        shares,
        prices_of(settings),
        found.loads,
        found.total_s if sure else None,
        grades,
    )
    return partial(print_dry_run, dry=dry)


def _take_out(
    wanted: Wanted, versions: Mapping[str, str], answered: Callable[[bytes], bool]
) -> int:
    """Remove the calls that are answered, by a call with log-probabilities, too; their number.

    One that another call of the run answers goes as well, and is not counted.
    """
    count = 0
    for key, (expert, request) in list(wanted.distinct.items()):
        fuller = call_key(versions[expert], with_logprobs(request))
        if answered(key) or answered(fuller):
            count += 1
        elif fuller == key or fuller not in wanted.distinct:
            continue
        del wanted.distinct[key]
    return count


def _shares(wanted: Wanted, settings: Config) -> list[Share]:
    calls = [(expert, request, 1) for expert, request in wanted.distinct.values()] + wanted.later
    lines = [BatchLine(request, expert, None) for expert, request, _ in calls]
    return share_out(lines, [Counter({expert: count}) for expert, _, count in calls], settings)


async def _stored(settings: Config, progress: Progress) -> dict[str, dict[str, Any]]:
    """What earlier services have measured, where the configuration has a store that lasts."""
    if settings.store == "memory":
        return {}
    return await known_costs(settings.store, settings.hosted(), progress.say)


def _entry(costs: Mapping[str, float]) -> dict[str, Any]:
    return {**costs, "measured": sorted(costs)}


def print_dry_run(console: Console, dry: DryRun) -> int:
    """Print what each engine would be asked; returns the exit code."""
    columns = ("engine", "calls", "read tokens", "new tokens", "USD", "load s", "work s")
    rows = [_cells(share, dry.prices) for share in sorted(dry.shares, key=_most_first)]
    asked = sum(share.calls.total() for share in dry.shares)
    seconds = "-" if dry.seconds is None else f"{dry.seconds:.1f}"
    price = sum(_price(share, dry.prices) for share in dry.shares)
    grades = f" and {counted(dry.grades, 'grade')}" if dry.grades else ""
    say(console)
    if rows:
        print_table(console, columns, rows)
        say(console)
    say(
        console,
        f"{counted(dry.questions, 'question')}, at most {counted(dry.calls, 'call')} of the"
        f" subjects{grades}: {asked:,} to ask, {dry.cached} in the cache.",
    )
    say(console, f"loads {dry.loads}, seconds {seconds}, at most {price:.4f} USD; nothing was run")
    say(
        console,
        f"New tokens and price are bounds; read tokens count {LETTERS_PER_TOKEN} letters each."
        " A `-` has not been measured yet.",
    )
    return 0


def _most_first(share: Share) -> tuple[int, str]:
    return (-share.calls.total(), share.engine)


def _cells(share: Share, prices: Mapping[str, float]) -> list[str]:
    known = share.hosted and share.measured
    return [
        share.engine,
        str(share.calls.total()),
        str(share.prompt_tokens),
        str(share.new_tokens),
        f"{_price(share, prices):.4f}",
        f"{share.load_s:.1f}" if known else "-",
        f"{share.work_s:.1f}" if known else "-",
    ]


def _price(share: Share, prices: Mapping[str, float]) -> float:
    """At most; an engine's adapters may have other prices, so that each has its share of tokens."""
    total = share.calls.total()
    mean = sum(count * prices[name] for name, count in share.calls.items()) / total
    return (share.prompt_tokens + share.new_tokens) * mean / 1e6
