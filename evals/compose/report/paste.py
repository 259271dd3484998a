"""A composition as the lines of a pool's file, and the outcome table that its router reads."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import TypeAdapter, ValidationError

from aggregators.grouping import AnswerKind
from evals.compose.composition import MEANS, Alone, Composition, Escalates
from evals.compose.predictions import Embedded
from experts.errors import ConfigError
from orchestrator.config.sections import CompositionName
from routers.outcomes import Outcome, OutcomeTable

PANEL = 3
"""Experts of a composition with new text, where what was chosen asks one."""
SYNTHESIS, DEBATE = "-synthesis", "-debate"


def check_name(name: str) -> None:
    """Raise ConfigError for a name that no composition can have."""
    try:
        TypeAdapter(CompositionName).validate_python(name)
    except ValidationError as error:
        reason = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise ConfigError(f"--name {name}: {reason}.") from error


def sections(
    chosen: Composition, answer: AnswerKind, name: str, outcomes: Path, calls: float | None = None
) -> dict[str, Any]:
    """The sections `routers` and `compositions`: what was chosen, and finalists of new text.

    `calls` is the most that an answer may take; finalists that would take more are left out.
    """
    router = name.rpartition("/")[2].replace("+", "-")
    keys = _router(chosen, outcomes)
    compositions = {name: {"router": router, **_way(chosen, answer)}}
    if not chosen.single:
        compositions |= _finalists(chosen, answer, name, router, calls)
    return {"routers": {router: keys}, "compositions": compositions}


def text(tree: Mapping[str, Any]) -> str:
    """The sections as YAML."""
    return str(yaml.safe_dump(dict(tree), sort_keys=False, default_flow_style=None, width=100))


def outcome_table(known: Embedded, composition: Composition) -> OutcomeTable:
    """The outcomes of a composition's experts on all questions, with the questions' vectors."""
    matrix = known.matrix.only(composition.experts)
    tokens, seconds = (np.nan_to_num(one) for one in (matrix.tokens, matrix.seconds))
    rows = (
        Outcome(
            query.id,
            query.task,
            query.text,
            expert,
            matrix.versions[column],
            float(matrix.scores[row, column]),
            int(tokens[row, column]),
            float(seconds[row, column]),
        )
        for row, query in enumerate(matrix.queries)
        for column, expert in enumerate(matrix.experts)
    )
    vectors = {query.id: known.vectors[row] for row, query in enumerate(matrix.queries)}
    return replace(OutcomeTable.from_rows(rows), vectors=vectors, encoder=known.encoder)


def _router(chosen: Composition, outcomes: Path) -> dict[str, Any]:
    if chosen.single:
        return {"type": "static", "expert": chosen.experts[0]}
    order = chosen.order
    if order.router == MEANS:
        return {"type": "knn", "outcomes": str(outcomes), "trust": 0.0}
    return {
        "type": order.router,
        "outcomes": str(outcomes),
        **dict(order.keys),
        "trust": order.trust,
    }


def _way(chosen: Composition, answer: AnswerKind) -> dict[str, Any]:
    way = chosen.way
    if isinstance(way, Alone):
        return {"quality_weight": way.quality_weight} if way.quality_weight < 1 else {}
    whole: dict[str, Any] = {
        "type": "vote",
        "answer": answer,
        "stop_at": None,
        "chunk": way.experts,
    }
    if isinstance(way, Escalates):
        strategy = {"single_at": way.single_at, "verify_at": way.verify_at, "answer": answer}
        aggregator: dict[str, Any] = {"type": "strategy", **strategy, "panel": whole}
    else:
        # One after the other, so that nobody is asked once it is clear.
        turns: dict[str, Any] = {} if way.stop_at is None else {"stop_at": way.stop_at, "chunk": 1}
        aggregator = {**whole, "weights": way.weights, **turns}
    return {"experts": way.experts, "aggregator": aggregator}


def _finalists(
    chosen: Composition, answer: AnswerKind, name: str, router: str, calls: float | None
) -> dict[str, dict[str, Any]]:
    """The same panel, with one more call that merges, and with one round of discussion."""
    wanted = min(PANEL, len(chosen.experts))
    if not isinstance(chosen.way, Alone):
        wanted = chosen.way.experts
    most = float("inf") if calls is None else calls
    merging, debating = min(wanted, most - 1), min(wanted, most // 2)
    found = {}
    if merging >= 2:
        how: dict[str, Any] = {"type": "synthesize"}
        found[name + SYNTHESIS] = {"router": router, "experts": int(merging), "aggregator": how}
    if debating >= 2:
        how = {"type": "debate", "rounds": 1, "answer": answer}
        found[name + DEBATE] = {"router": router, "experts": int(debating), "aggregator": how}
    return found
