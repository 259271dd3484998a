"""Recorded answers of models to benchmark questions: PREFIX_queries and PREFIX_outcomes.parquet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from aggregators.answers.extraction import Kind, canonical
from aggregators.grouping import AnswerKind
from experts.errors import ConfigError
from experts.replay import read_table
from routers.fitted.training_set import Floats, TrainingSet
from routers.outcomes import Query

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
QUERIES = ("query_id", "category", "query", "options", "group")
OUTCOMES = ("query_id", "model", "score", "pred")
MODELS = "models.csv"


@dataclass(frozen=True, eq=False)
class Recorded:
    """What M models answered to N questions."""

    queries: tuple[Query, ...]
    """Their text is the whole question, options included; the task is the category."""
    groups: NDArray[np.str_]
    """[N] equal questions have equal groups."""
    models: tuple[str, ...]
    scores: NDArray[np.float64]
    """[N, M] in 0..1, NaN where a model was not run."""
    answers: NDArray[Any]
    """[N, M] the parsed answers; None where there is none."""
    prices: Floats
    """[N, M] of a call, in `unit`."""
    unit: str
    sizes: Mapping[str, float] = field(default_factory=dict)
    """Billions of parameters in all, of the models whose sizes are known."""
    active_sizes: Mapping[str, float] = field(default_factory=dict)
    """Billions of parameters that work on a token, of the same models."""
    kind: AnswerKind = "auto"
    """How the answers of all questions are read; `auto` where they differ in that."""

    @property
    def complete(self) -> NDArray[np.intp]:
        """The questions that every model was asked."""
        return np.flatnonzero(~np.isnan(self.scores).any(axis=1))

    def training_set(self, rows: NDArray[np.intp], vectors: Floats, encoder: str) -> TrainingSet:
        """Some questions as what a router is fitted from; `vectors` are those of all."""
        scores = self.scores[rows]
        order = np.argsort(-np.nanmean(scores, axis=0), kind="stable")
        return TrainingSet(
            tuple(self.queries[row] for row in rows),
            tuple(self.models[column] for column in order),
            vectors[rows],
            scores[:, order],
            encoder,
        )


def read_recorded(prefix: str, pool: Sequence[str], benchmark: str = "") -> Recorded:
    """The tables under a path prefix, for the models of the pool (all, where it is empty).

    Of one `benchmark` only, where one is named. Equal answers are written alike.

    Raises ConfigError for a table that is missing or wrong, a model that it lacks, and a question
    that nobody answered.
    """
    queries = _questions(prefix, benchmark)
    outcomes = read_table(f"{prefix}_outcomes.parquet", OUTCOMES)
    known = sorted(set(outcomes["model"].to_pylist()))
    models = tuple(pool) or tuple(known)
    if unknown := [model for model in models if model not in known]:
        raise ConfigError(
            f"{prefix}_outcomes.parquet has no {', '.join(unknown)}.",
            hint=f"It knows {', '.join(known)}.",
        )
    if len(set(models)) < len(models):
        raise ConfigError("A model of the pool is named twice.")
    row_of = {query["query_id"]: row for row, query in enumerate(queries)}
    if len(row_of) < len(queries):
        raise ConfigError(f"{prefix}_queries.parquet has a query_id twice.")
    column_of = {model: column for column, model in enumerate(models)}
    scores = np.full((len(queries), len(models)), np.nan)
    costs = np.full_like(scores, np.nan)
    answers = np.full(scores.shape, None, dtype=object)
    for entry in _rows(outcomes):
        row, column = row_of.get(entry["query_id"]), column_of.get(entry["model"])
        if row is None or column is None:
            continue
        scores[row, column] = entry["score"]
        kind = queries[row].get("answer_format")
        answers[row, column] = _answer(kind, entry["pred"])
        if entry["cost_usd"] is not None:
            costs[row, column] = entry["cost_usd"]
    if not ((scores >= 0) & (scores <= 1) | np.isnan(scores)).all():
        raise ConfigError(f"{prefix}_outcomes.parquet has a score outside 0..1.")
    asked = np.flatnonzero(~np.isnan(scores).all(axis=1))
    if not len(asked):
        raise ConfigError(f"{prefix}: none of its questions was answered by {', '.join(models)}.")
    prices, unit = _prices(prefix, models, costs[asked], scores[asked])
    return Recorded(
        tuple(_query(queries[row]) for row in asked),
        np.array([queries[row]["group"] for row in asked]),
        models,
        scores[asked],
        answers[asked],
        prices,
        unit,
        _sizes(Path(prefix).parent / MODELS, "params_b"),
        _sizes(Path(prefix).parent / MODELS, "active_b"),
        _kind([queries[row].get("answer_format") for row in asked]),
    )


def _questions(prefix: str, benchmark: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = read_table(f"{prefix}_queries.parquet", QUERIES).to_pylist()
    if not benchmark:
        return rows
    found = [row for row in rows if row.get("benchmark") == benchmark]
    if not found:
        known = ", ".join(sorted({str(row.get("benchmark")) for row in rows}))
        raise ConfigError(f"{prefix} has no benchmark {benchmark} (known: {known}).")
    return found


def _answer(kind: str | None, recorded: Any) -> str | None:
    if recorded is None:
        return None
    known: Kind = cast(Kind, kind) if kind in get_args(Kind) else "text"
    return canonical(known, str(recorded))


def _kind(formats: Sequence[str | None]) -> AnswerKind:
    found = set(formats)
    return cast(Kind, formats[0]) if len(found) == 1 and found <= set(get_args(Kind)) else "auto"


def _rows(outcomes: pa.Table) -> list[dict[str, Any]]:
    cost = "cost_usd"
    if cost not in outcomes.column_names:
        outcomes = outcomes.append_column(cost, pa.nulls(outcomes.num_rows, pa.float64()))
    rows: list[dict[str, Any]] = outcomes.select([*OUTCOMES, cost]).to_pylist()
    return rows


def _query(row: dict[str, Any]) -> Query:
    options = zip(LETTERS, row["options"] or (), strict=False)
    lines = [row["query"], *(f"({letter}) {option}" for letter, option in options)]
    return Query(row["query_id"], row["category"], "\n".join(lines))


def _prices(
    prefix: str, models: Sequence[str], costs: Floats, scores: Floats
) -> tuple[Floats, str]:
    """Recorded costs where there are all; else sizes from models.csv beside; else 1 a call."""
    if not np.isnan(costs[~np.isnan(scores)]).any():
        return np.nan_to_num(costs), "USD"
    sizes = _sizes(Path(prefix).parent / MODELS, "active_b")
    if all(model in sizes for model in models):
        per_model = np.array([sizes[model] for model in models])
        return np.broadcast_to(per_model, scores.shape), "billions of active parameters"
    return np.ones(scores.shape), "calls"


def _sizes(path: Path, column: str) -> dict[str, float]:
    if not path.exists():
        return {}
    rows = pyarrow.csv.read_csv(path).to_pylist()
    return {row["model"]: float(row[column]) for row in rows if row.get(column)}
