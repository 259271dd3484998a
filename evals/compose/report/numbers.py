"""Everything that was found, as plain JSON."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evals.compose.bounds import Tried
from evals.compose.composition import Composition
from evals.compose.confidence import Paired
from evals.compose.experiment import Drop, Judged, Result


def write_json(path: Path, result: Result, setting: Mapping[str, Any]) -> None:
    """Write all numbers; what is not known is null."""
    tree = {
        "setting": dict(setting),
        "tried": result.tried,
        "chosen_on": result.chosen_on,
        "reported_on": result.reported_on,
        "frontier": [_judged(one) for one in result.points],
        "chosen": _judged(result.chosen),
        "best_single": _judged(result.single),
        "best_single_where_chosen": _judged(result.picked),
        "experts": [_drop(one) for one in result.drops],
        "optimism": {"mean": result.optimism, "standard_error": result.optimism_error},
        "overall": {
            "accuracy": asdict(result.overall),
            "gain": _paired(result.overall_gain),
            "best_single": result.overall_single,
            "calls": result.overall_calls,
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tree, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _judged(one: Judged) -> dict[str, Any]:
    return {
        **_composition(one.selected.composition),
        "selected": _tried(one.selected),
        "reported": _tried(one.reported),
        "accuracy": asdict(one.accuracy),
        "gain": _paired(one.gain),
    }


def _composition(one: Composition) -> dict[str, Any]:
    kind = type(one.way).__name__.lower()
    return {
        "name": str(one),
        "experts": list(one.experts),
        "router": asdict(one.order),
        "way": {"kind": kind, **asdict(one.way)},
    }


def _tried(one: Tried) -> dict[str, Any]:
    costs = ("accuracy", "calls", "most_calls", "price", "seconds", "tokens", "memory_gb")
    return {key: _known(getattr(one, key)) for key in costs} | {"asked": sorted(one.asked)}


def _drop(one: Drop) -> dict[str, Any]:
    return {
        "expert": one.expert,
        "memory_gb": _known(one.memory_gb),
        "loss": None if one.loss is None else _paired(one.loss),
        "instead": None if one.instead is None else str(one.instead),
    }


def _paired(one: Paired) -> dict[str, float]:
    return {"mean": one.mean, "low": one.low, "high": one.high, "sure": one.sure}


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
