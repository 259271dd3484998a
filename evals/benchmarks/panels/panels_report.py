"""Reports the quality and cost of panels: tables, and verdicts on the targets."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from evals.benchmarks.panels.means import Means, best_expert, best_vote, means, same_answers, skills
from evals.benchmarks.routing.served import Asked, Pool
from evals.reporting.table import print_table, say, tenths
from evals.reporting.verdicts import Verdict, print_verdicts

SHORT = 6
PRICE_AT_MOST = 0.5
EQUAL = 1e-9


@dataclass(frozen=True, slots=True)
class Targets:
    """What the panels are held against; without either, the best expert of every skill."""

    beside: str | None = None
    """An expert or composition that the panels should reach for less."""
    at_most: float = PRICE_AT_MOST
    """The share of its price that they may cost."""
    gain: float | None = None
    """How much more than the best expert's their mean score should be, in 0..1."""


def verdicts(pool: Pool, targets: Targets) -> list[Verdict]:
    """Every target with its measurement."""
    found = []
    for name, one in pool.compositions.items():
        if name == targets.beside:
            continue
        if targets.beside is not None:
            found.append(_cheaper(pool, name, targets.beside, targets.at_most))
        if targets.gain is not None:
            found.append(_better(pool, name, targets.gain))
        if targets.beside is None and targets.gain is None:
            found += _never_below(pool, name, one)
    return found


def _never_below(pool: Pool, name: str, one: Asked) -> list[Verdict]:
    """Beside the best expert of each skill."""
    found = []
    for task in skills(pool):
        best = max(pool.experts, key=lambda expert: pool.experts[expert].scores[task].mean())
        own = float(one.scores[task].mean())
        single = float(pool.experts[best].scores[task].mean())
        text = (
            f"{name}, {task}: {tenths(own)} %, {best} {tenths(single)} % (target: not below the"
            " best single expert)"
        )
        found.append(Verdict(own >= single - EQUAL, text))
    return found


def _better(pool: Pool, name: str, least: float) -> Verdict:
    """Beside the expert that is best in the mean."""
    best = best_expert(pool)
    own = means(pool, name)
    gain = own.beside[best]
    return Verdict(
        gain.mean >= least - EQUAL,
        f"{name}: {tenths(own.score)} %, {tenths(gain.mean)} points ({tenths(gain.low)} -"
        f" {tenths(gain.high)}) more than {best}, the best expert (target: at least"
        f" {100 * least:g})",
    )


def _cheaper(pool: Pool, name: str, other: str, at_most: float) -> Verdict:
    """Beside always asking the other."""
    own, best = means(pool, name), means(pool, other)
    share = own.price / max(best.price, 1e-12)
    return Verdict(
        own.score >= best.score - EQUAL and share <= at_most + EQUAL,
        f"{name}, mean of {len(skills(pool))} skills: {tenths(own.score)} % at"
        f" {100 * share:.0f} % of the price of always asking {other}, which has"
        f" {tenths(best.score)} %, and with {own.calls:.2f} calls for {best.calls:.2f} (targets:"
        f" not below, at most {100 * at_most:g} % of the price)",
    )


def print_pool(console: Console, pool: Pool, targets: Targets) -> int:
    """Print both tables and the verdicts; returns the exit code."""
    say(console)
    ways = {**pool.compositions, **pool.experts}
    rows = [
        [name, *(tenths(float(one.scores[task].mean())) for task in pool.tasks)]
        for name, one in ways.items()
    ]
    rows.append(["per-query oracle", *(tenths(pool.oracle(task)) for task in pool.tasks)])
    print_table(console, ["right %", *(task[:SHORT] for task in pool.tasks)], rows)
    say(console)
    columns = ("right %", "95 % interval", "calls", "tokens", "USD a thousand", "vote for less")
    print_table(
        console,
        [f"mean of {len(skills(pool))} skills", *columns],
        [_row(pool, name) for name in ways],
    )
    say(console)
    for *others, last in same_answers(pool):
        named = f"{', '.join(others)} and {last}"
        say(console, f"note  {named} gave the same answers in the same calls.")
    return print_verdicts(console, verdicts(pool, targets))


def _row(pool: Pool, name: str) -> list[str]:
    """Of one way: how good and dear it is; and what a vote with no more tokens brings."""
    own = means(pool, name)
    vote = None if name in pool.experts or name in pool.votes else best_vote(pool, own.tokens)
    return [
        name,
        tenths(own.score),
        f"{tenths(own.low)} - {tenths(own.high)}",
        f"{own.calls:.2f}",
        f"{own.tokens:.0f}",
        f"{own.price:.4f}",
        f"{tenths(means(pool, vote).score)} ({vote})" if vote is not None else "",
    ]


def write_json(path: Path, pool: Pool, targets: Targets) -> None:
    """Every accuracy, tokens and prices, with the verdicts."""
    ways = {**pool.compositions, **pool.experts}
    tree = {
        "models": {name: _tree(one, means(pool, name)) for name, one in ways.items()},
        "verdicts": [{"met": one.met, "text": one.text} for one in verdicts(pool, targets)],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")


def _tree(one: Asked, own: Means) -> dict[str, Any]:
    return {
        "accuracy": {task: float(scores.mean()) for task, scores in one.scores.items()},
        "mean": own.score,
        "interval": [own.low, own.high],
        "calls": own.calls,
        "tokens": own.tokens,
        "usd_per_thousand": own.price,
    }
