"""What is said of panels: every skill beside the best single expert, a cascade beside its price."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from evals.benchmarks.panels.panels_report import print_pool, verdicts, write_json
from evals.benchmarks.routing.served import Asked, Pool

TASKS = ("sums", "cities")


def asked(price: float, tokens: float = 10, **right: float) -> Asked:
    """A share of right answers for each task."""
    scores = {task: np.array([right[task]] * 4) for task in TASKS}
    return Asked(
        scores,
        dict.fromkeys(TASKS, 0.0),
        {task: np.full(4, tokens) for task in TASKS},
        {task: np.full(4, price) for task in TASKS},
    )


def pool(**compositions: Asked) -> Pool:
    experts = {
        "sums": asked(1, sums=0.9, cities=0.0),
        "cities": asked(1, sums=0.1, cities=0.8),
        "strong": asked(7, sums=0.85, cities=0.8),
    }
    named = {f"pool/{name}": one for name, one in compositions.items()}
    return Pool(TASKS, frozenset(TASKS), frozenset(), experts, named)


def test_no_skill_may_be_below_its_best_expert() -> None:
    good, worse = verdicts(pool(vote=asked(3, sums=0.9, cities=0.7)))
    assert good.met
    assert not worse.met
    assert "cities 80.0 %" in worse.text


@pytest.mark.parametrize(
    ("one", "met"),
    [
        (asked(3, sums=0.9, cities=0.8), True),
        (asked(4, sums=0.9, cities=0.8), False),
        (asked(3, sums=0.8, cities=0.8), False),
    ],
)
def test_a_cascade_is_measured_by_the_strongest(one: Asked, met: bool) -> None:
    (verdict,) = verdicts(pool(cascade=one), "strong")
    assert verdict.met is met
    assert "always asking strong, which has 82.5 %" in verdict.text


def test_what_is_printed_and_written(tmp_path: Path) -> None:
    found = pool(debate=asked(2, tokens=33, sums=0.9, cities=0.8))
    console = Console(width=140, record=True, file=io.StringIO())
    assert print_pool(console, found) == 0
    said = console.export_text()
    assert "pool/debate" in said
    assert "33" in said
    write_json(tmp_path / "p.json", found)
    tree = json.loads((tmp_path / "p.json").read_text())
    assert tree["models"]["pool/debate"]["tokens"] == 33
    assert tree["models"]["strong"]["usd_per_thousand"] == 7000
