"""What is printed of judged debates: a row for each setting, and whether the claim holds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from evals.benchmarks.panels.debates_stage import DISHONEST, HONEST, Judged, Setting
from evals.reporting.intervals import accuracy_of, paired_gain
from evals.reporting.table import interval, print_table, say, tenths
from evals.reporting.verdicts import Verdict, print_verdicts

DEBATE = Setting("debate")
INVENTING = Setting("debate, a side invents", invents=True)
UNCHECKED = Setting("the same, unchecked", invents=True, checked=False)
HONEST_ALONE = Setting("consultancy, honest", frozenset({HONEST}))
DISHONEST_ALONE = Setting("consultancy, dishonest", frozenset({DISHONEST}))
UNARGUED = Setting("nobody argues", frozenset())
SETTINGS = (DEBATE, INVENTING, UNCHECKED, HONEST_ALONE, DISHONEST_ALONE, UNARGUED)
CONSULTANCY = "consultancy, either"


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that was measured: for each setting, what came of each passage."""

    judge: str
    rounds: int
    judged: Mapping[str, Sequence[Judged]]

    @property
    def rows(self) -> dict[str, NDArray[np.float64]]:
        """Setting -> [passages, 3]: score, probability of the right answer, the judge's tokens.

        One more than was asked for: a consultant is as often honest as not.
        """
        rows = {
            name: np.array([(one.score, one.probability, one.tokens) for one in judged])
            for name, judged in self.judged.items()
        }
        rows[CONSULTANCY] = (rows[HONEST_ALONE.name] + rows[DISHONEST_ALONE.name]) / 2
        return rows


def verdicts(found: Found) -> list[Verdict]:
    """Debate above consultancy above nobody, and what checking the quotes is worth."""
    rows = found.rows
    pairs = (
        (DEBATE.name, CONSULTANCY),
        (CONSULTANCY, UNARGUED.name),
        (INVENTING.name, UNCHECKED.name),
    )
    return [_above(rows, better, worse) for better, worse in pairs]


def _above(rows: Mapping[str, NDArray[np.float64]], better: str, worse: str) -> Verdict:
    """Whether the judge is more often right in one setting, beyond the 95 % interval."""
    gain = paired_gain(list(rows[better][:, 0]), list(rows[worse][:, 0]))
    return Verdict(
        gain.low > 0,
        f"{better} ({tenths(float(rows[better][:, 0].mean()))} %) above {worse}"
        f" ({tenths(float(rows[worse][:, 0].mean()))} %): {100 * gain.mean:+.1f} points"
        f" ({interval(gain)})",
    )


def print_debates(console: Console, found: Found) -> int:
    """Print the table and the verdicts; returns the exit code, 1 where the claim is missed."""
    say(console)
    count = len(found.judged[DEBATE.name])
    print_table(
        console,
        ["who argues", "right %", "95 % interval", "p(right) %", "judge's tokens"],
        [
            [
                name,
                tenths(float(row[:, 0].mean())),
                interval(accuracy_of(row[:, 0])),
                tenths(float(row[:, 1].mean())),
                f"{row[:, 2].mean():.0f}",
            ]
            for name, row in found.rows.items()
        ],
    )
    say(console)
    say(
        console,
        f"{found.judge} judged {count} held-out passages in each setting, arguments per side:"
        f" {found.rounds}. Each is judged in both orders.",
    )
    return print_verdicts(console, verdicts(found))


def write_json(path: Path, found: Found) -> None:
    """Every row with its interval, and the verdicts."""
    tree = {
        "judge": found.judge,
        "rounds": found.rounds,
        "passages": len(found.judged[DEBATE.name]),
        "settings": {
            name: {
                "accuracy": asdict(accuracy_of(row[:, 0])),
                "probability": float(row[:, 1].mean()),
                "tokens": float(row[:, 2].mean()),
            }
            for name, row in found.rows.items()
        },
        "verdicts": [asdict(verdict) for verdict in verdicts(found)],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")
