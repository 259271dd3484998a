"""Reports the quality and cost of panels: tables, and verdicts on the targets."""

import json
from pathlib import Path

import numpy as np
from rich.console import Console

from evals.benchmarks.routing.served import Asked, Pool
from evals.reporting.table import print_table, say, tenths
from evals.reporting.verdicts import Verdict, print_verdicts

SHORT = 6
PRICE_AT_MOST = 0.5
EQUAL = 1e-9


def mean(one: Asked, tasks: tuple[str, ...]) -> float:
    """Over the tasks, each counted alike."""
    return float(np.mean([one.scores[task].mean() for task in tasks]))


def price(one: Asked, tasks: tuple[str, ...]) -> float:
    """USD of a thousand questions, the tasks counted alike."""
    return 1000 * float(np.mean([one.prices[task].mean() for task in tasks]))


def tokens(one: Asked, tasks: tuple[str, ...]) -> float:
    """Of a question, read and written by all experts, the tasks counted alike."""
    return float(np.mean([one.tokens[task].mean() for task in tasks]))


def skills(pool: Pool) -> tuple[str, ...]:
    """The tasks that ask for one expert's skill."""
    return tuple(task for task in pool.tasks if task in pool.owned)


def verdicts(pool: Pool, beside: str | None = None) -> list[Verdict]:
    """Every target with its measurement; of accuracy and price where an expert stands `beside`."""
    found = []
    for name, one in pool.compositions.items():
        if beside is not None:
            found.append(_cheaper(pool, name, one, beside))
            continue
        for task in skills(pool):
            best = max(pool.experts, key=lambda expert: pool.experts[expert].scores[task].mean())
            own = float(one.scores[task].mean())
            single = float(pool.experts[best].scores[task].mean())
            found.append(
                Verdict(
                    own >= single - EQUAL,
                    f"{name}, {task}: {tenths(own)} %, {best} {tenths(single)} % (target: not"
                    " below the best single expert)",
                )
            )
    return found


def _cheaper(pool: Pool, name: str, one: Asked, expert: str) -> Verdict:
    """Beside always asking the expert."""
    other = pool.experts[expert]
    own, best = mean(one, skills(pool)), mean(other, skills(pool))
    share = price(one, skills(pool)) / max(price(other, skills(pool)), 1e-12)
    return Verdict(
        own >= best - EQUAL and share <= PRICE_AT_MOST,
        f"{name}, mean of {len(skills(pool))} skills: {tenths(own)} % at {100 * share:.0f} % of the"
        f" price of always asking {expert}, which has {tenths(best)} % (targets: not below, at"
        f" most {100 * PRICE_AT_MOST:g} %)",
    )


def print_pool(console: Console, pool: Pool, beside: str | None = None) -> int:
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
    own = skills(pool)
    print_table(
        console,
        [f"mean of {len(own)} skills", "right %", "tokens a question", "USD a thousand"],
        [
            [name, tenths(mean(one, own)), f"{tokens(one, own):.0f}", f"{price(one, own):.4f}"]
            for name, one in ways.items()
        ],
    )
    say(console)
    return print_verdicts(console, verdicts(pool, beside))


def write_json(path: Path, pool: Pool, beside: str | None = None) -> None:
    """Every accuracy, tokens and prices, with the verdicts."""
    own = skills(pool)
    tree = {
        "models": {
            name: {
                "accuracy": {task: float(scores.mean()) for task, scores in one.scores.items()},
                "tokens": tokens(one, own),
                "usd_per_thousand": price(one, own),
            }
            for name, one in {**pool.compositions, **pool.experts}.items()
        },
        "verdicts": [
            {"met": verdict.met, "text": verdict.text} for verdict in verdicts(pool, beside)
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")
