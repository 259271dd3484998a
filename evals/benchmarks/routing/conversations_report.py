"""What reading conversations brings: a table of rules, and whether the served one is right."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from evals.benchmarks.routing.conversations import (
    AFTER_SWITCH,
    FOLLOW_UP,
    KINDS,
    SECOND,
    SERVED,
    SINGLE,
    SWITCH,
    Shares,
)
from evals.benchmarks.routing.long_texts import PLACES
from evals.reporting.table import print_table, say, tenths
from evals.reporting.verdicts import Verdict, print_verdicts

LOST = 0.05
"""What a whole question may lose by what precedes it."""
FOLLOWED = 0.05
"""What a follow-up may lose beside a whole question."""


def print_conversations(
    console: Console, found: Sequence[Shares], long: Sequence[Shares] = ()
) -> int:
    """Print shares and verdicts; returns the exit code."""
    say(console, "The right expert was chosen for the last turn, % of conversations.")
    say(console)
    _print_shares(console, found, KINDS)
    if long:
        say(console)
        say(console, "The same for a question inside a long text about something else, by place.")
        say(console)
        _print_shares(console, long, PLACES)
    say(console)
    return print_verdicts(console, [v for one in found if one.rule == SERVED for v in _of(one)])


def _print_shares(console: Console, found: Sequence[Shares], columns: Sequence[str]) -> None:
    width = max(len(one.rule) for one in found)
    rows = [
        (one.router, one.rule.ljust(width), *(tenths(one.shares[name]) for name in columns))
        for one in found
    ]
    print_table(console, ("router", "rule".ljust(width), *columns), rows)


def write_json(path: Path, found: Sequence[Shares]) -> None:
    """Every share."""
    tree = [{"router": o.router, "rule": o.rule, "shares": dict(o.shares)} for o in found]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")


def _of(one: Shares) -> list[Verdict]:
    alone = one.shares[SINGLE]
    follow = min(one.shares[FOLLOW_UP], one.shares[SECOND])
    turned, after = one.shares[SWITCH], one.shares[AFTER_SWITCH]
    return [
        Verdict(
            follow >= alone - FOLLOWED,
            f"{one.router}: {tenths(follow)} % of follow-ups, beside {tenths(alone)} % of whole"
            f" questions (target: at most {100 * FOLLOWED:g} points less)",
        ),
        Verdict(
            turned >= alone - LOST,
            f"{one.router}: {tenths(turned)} % where the subject changes, {tenths(after)} % of"
            f" follow-ups after that (target of the first: at most {100 * LOST:g} points less)",
        ),
    ]
