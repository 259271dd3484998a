"""The report of a check as JSON: machine, versions, limits, and every step with its figures."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from deploy.gpu_check.verdicts import Verdict, exit_code

FORMAT = 1


def as_tree(
    machine: Mapping[str, Any],
    limits: Mapping[str, Any],
    verdicts: Sequence[Verdict],
    seconds: float,
    *,
    finished: bool,
) -> dict[str, Any]:
    """The report as plain JSON; one that is not `finished` lacks steps that were asked for."""
    return {
        "format": FORMAT,
        "machine": dict(machine),
        "limits": dict(limits),
        "seconds": round(seconds, 1),
        "finished": finished,
        "passed": finished and exit_code(verdicts) == 0,
        "steps": [_step(verdict) for verdict in verdicts],
    }


def _step(verdict: Verdict) -> dict[str, Any]:
    tree = {**asdict(verdict), "outcome": verdict.outcome.name.lower()}
    return {**tree, "seconds": round(verdict.seconds, 1)}


def write(path: Path, tree: Mapping[str, Any]) -> None:
    """Write it whole or not at all: the check may be ended at any moment."""
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(json.dumps(tree, indent=2) + "\n", encoding="utf-8")
    os.replace(unfinished, path)
