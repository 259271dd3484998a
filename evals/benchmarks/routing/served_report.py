"""How good compositions of a running pool are, in a table and in verdicts against the targets."""

import json
from pathlib import Path

from rich.console import Console

from evals.benchmarks.routing.served import Asked, Pool
from evals.reporting.table import print_table, say, tenths
from evals.reporting.verdicts import Verdict, print_verdicts

BELOW_ORACLE_AT_MOST = 0.01
CAUGHT_AT_LEAST = 0.9
FALSE_ALARMS_AT_MOST = 0.05
SHORT = 6


def verdicts(pool: Pool) -> list[Verdict]:
    """Every target with its measurement."""
    found = []
    owned = [task for task in pool.tasks if task in pool.owned]
    for name, one in pool.compositions.items():
        if owned:
            own = sum(float(one.scores[task].mean()) for task in owned) / len(owned)
            best = sum(pool.oracle(task) for task in owned) / len(owned)
            found.append(_beside_the_oracle(f"{name}, mean of {len(owned)} skills", own, best))
        for task in owned:
            own, best = float(one.scores[task].mean()), pool.oracle(task)
            found.append(_beside_the_oracle(f"{name}, {task}", own, best))
        if any(one.alarms.values()):
            found += _guard(pool, name, one)
    return found


def _beside_the_oracle(what: str, own: float, best: float) -> Verdict:
    return Verdict(
        best - own <= BELOW_ORACLE_AT_MOST + 1e-9,
        f"{what}: {tenths(own)} %, the per-query oracle {tenths(best)} % (target: at most"
        f" {100 * BELOW_ORACLE_AT_MOST:g} below)",
    )


def _guard(pool: Pool, name: str, one: Asked) -> list[Verdict]:
    caught = [one.alarms[task] for task in pool.tasks if task in pool.foreign]
    false = [one.alarms[task] for task in pool.tasks if task in pool.owned]
    mean = sum(false) / len(false) if false else 0.0
    return [
        Verdict(
            mean <= FALSE_ALARMS_AT_MOST,
            f"{name}: {tenths(mean)} % alarms on questions that some expert knows (target: at most"
            f" {100 * FALSE_ALARMS_AT_MOST:g})",
        ),
        *(
            Verdict(
                share >= CAUGHT_AT_LEAST,
                f"{name}: {tenths(share)} % alarms on foreign questions (target: at least"
                f" {100 * CAUGHT_AT_LEAST:g})",
            )
            for share in caught
        ),
    ]


def print_pool(console: Console, pool: Pool) -> int:
    """Print the table and the verdicts; returns the exit code."""
    say(console)
    ways = {**pool.compositions, **pool.experts}
    rows = [
        [name, *(tenths(float(one.scores[task].mean())) for task in pool.tasks)]
        for name, one in ways.items()
    ]
    rows.append(["per-query oracle", *(tenths(pool.oracle(task)) for task in pool.tasks)])
    rows += [
        [f"{name}: alarms", *(tenths(one.alarms[task]) for task in pool.tasks)]
        for name, one in pool.compositions.items()
        if any(one.alarms.values())
    ]
    print_table(console, ["right %", *(task[:SHORT] for task in pool.tasks)], rows)
    say(console)
    return print_verdicts(console, verdicts(pool))


def write_json(path: Path, pool: Pool) -> None:
    """Every accuracy and share of alarms, with the verdicts."""
    tree = {
        "models": {
            name: {
                "accuracy": {task: float(scores.mean()) for task, scores in one.scores.items()},
                "alarms": dict(one.alarms),
            }
            for name, one in {**pool.compositions, **pool.experts}.items()
        },
        "oracle": {task: pool.oracle(task) for task in pool.tasks},
        "verdicts": [{"met": verdict.met, "text": verdict.text} for verdict in verdicts(pool)],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")
