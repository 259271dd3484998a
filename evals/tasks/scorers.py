"""The scorers that need no options, by name; all of them are in `evals/scoring/registry.py`."""

from evals.scoring.base import Scorer
from evals.scoring.registry import make_scorer

SCORERS: dict[str, Scorer] = {
    name: make_scorer(name) for name in ("exact", "contains", "number", "choice", "latex", "json")
}

IN_SENTENCES = ("number", "choice", "contains")
"""Scorers that read answers in sentences, and cost no more than `exact` does."""
