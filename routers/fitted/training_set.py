"""The training set of a router: questions as vectors, and each expert's score on them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from experts.errors import ConfigError
from routers.base import Encoder
from routers.fitted.support import Support
from routers.outcome_columns import HINT
from routers.outcomes import OutcomeTable, Query

SHOWN = 5
"""Names in a warning about experts; the rest are counted."""
BLOCK = 256
"""Questions compared with all others at once; bounds the memory of a large table or batch."""

Floats = NDArray[np.floating[Any]]
Indices = NDArray[np.intp]
Number = TypeVar("Number", bound=np.number[Any])


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """N questions and M experts, the best mean first, then by name."""

    queries: tuple[Query, ...]
    experts: tuple[str, ...]
    vectors: NDArray[np.float32]
    """[N, dimension], each of length one."""
    scores: NDArray[np.float64]
    """[N, M] in 0..1, NaN where an expert was not asked; each question has at least one."""
    encoder: str
    """Name of the encoder that made the vectors."""

    @cached_property
    def means(self) -> Floats:
        """[M] each expert's mean score (`overall`)."""
        return overall(self.vectors, self.scores)

    @cached_property
    def groups(self) -> Indices:
        """[N] the group of each question; equal texts are in one group."""
        texts = [" ".join(query.text.casefold().split()) for query in self.queries]
        # Not by numpy, which compares texts at the length of the longest one.
        number = {text: group for group, text in enumerate(sorted(set(texts)))}
        return np.array([number[text] for text in texts], dtype=np.intp)

    @property
    def filled(self) -> NDArray[np.float64]:
        """[N, M] the scores, with an expert's mean where it was not asked."""
        return np.where(np.isnan(self.scores), self.means, self.scores)

    def take(self, rows: Indices) -> "TrainingSet":
        """Some of the questions, by row number, for the same experts in the same order."""
        return replace(
            self,
            queries=tuple(self.queries[row] for row in rows),
            vectors=self.vectors[rows],
            scores=self.scores[rows],
        )


def overall(vectors: Floats, scores: Floats) -> Floats:
    """[M] mean scores, of `scores` [N, M] on questions [N, dimension].

    A question that an expert was not asked counts as the most similar one that it was asked, as far
    as that supports it: one that is unlike all of them counts as a wrong answer. A new expert is
    asked where that is most informative, and a plain mean would represent only that.
    """
    means = np.empty(scores.shape[1])
    support = Support.of(vectors, scores)
    for expert, own in enumerate(scores.T):
        asked = ~np.isnan(own)
        total, missing = float(own[asked].sum()), vectors[~asked]
        for start in range(0, len(missing), BLOCK):
            block = missing[start : start + BLOCK]
            near = block @ vectors[asked].T
            total += float(own[asked][near.argmax(axis=1)] @ support.at(block)[:, expert])
        means[expert] = total / len(own)
    return means


def blocks(rows: NDArray[Number]) -> Iterator[NDArray[Number]]:
    """At most BLOCK of B rows at once; where B is 0, one empty block."""
    for start in range(0, max(len(rows), 1), BLOCK):
        yield rows[start : start + BLOCK]


def are(experts: Sequence[str]) -> tuple[str, ...]:
    """Names and their verb, as the beginning of a sentence; empty where there are none."""
    if not experts:
        return ()
    more = f" and {len(experts) - SHOWN} more" if len(experts) > SHOWN else ""
    verb = "is" if len(experts) == 1 else "are"
    return (f"{', '.join(experts[:SHOWN])}{more} {verb}",)


def _of_tasks(table: OutcomeTable, tasks: Sequence[str], where: str) -> OutcomeTable:
    known = set(table.rows["task"].to_pylist())
    if unknown := sorted(set(tasks) - known):
        raise ConfigError(
            f"{where}: {table.source} has no outcomes of {', '.join(unknown)}.",
            hint=f"It has {', '.join(sorted(known))}. `coterie profile --task FILE` asks more.",
        )
    return replace(table, rows=table.rows.filter(pc.field("task").isin(list(tasks))))


def read_training_set(
    path: Path,
    experts: Sequence[str],
    encoder: Encoder,
    where: str,
    tasks: Sequence[str] = (),
) -> tuple[TrainingSet, tuple[str, ...]]:
    """The training set in an outcome table, and a warning where it lacks some of the experts.

    With `tasks`, only of their questions. Embeds those that come without a vector. Raises
    ConfigError, naming the key `where`, for a table that is wrong or knows none of the experts or
    not one of the tasks.
    """
    table = OutcomeTable.read(path)
    if tasks:
        table = _of_tasks(table, tasks, where)
    queries, known, scores = table.matrix()
    scored = [expert for expert in known if expert in experts]
    if not scored:
        message = f"{where}: {path} knows none of the experts"
        raise ConfigError(f"{message} ({', '.join(experts)}).", hint=HINT)
    missing = [expert for expert in experts if expert not in scored]
    warnings = tuple(
        f"{where.rsplit('.', 1)[0]}: {found} never chosen, because {path} has no outcomes of"
        f" {'it' if len(missing) == 1 else 'them'}; run `coterie profile --config FILE`."
        for found in are(missing)
    )
    scores = scores[:, [known.index(expert) for expert in scored]]
    answered = np.flatnonzero(~np.isnan(scores).all(axis=1))
    vectors = table.with_embeddings(encoder).embeddings()[answered]
    scores = scores[answered]
    # Best mean first, then by name (`known` is sorted): a stable sort by score keeps ties so.
    order = np.argsort(-overall(vectors, scores), kind="stable")
    training_set = TrainingSet(
        tuple(queries[row] for row in answered),
        tuple(scored[column] for column in order),
        vectors,
        scores[:, order],
        encoder.name,
    )
    return training_set, warnings
