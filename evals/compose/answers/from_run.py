"""The matrix of a run: what `coterie eval run` left behind of subjects that are experts."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
from numpy.typing import NDArray

from aggregators.answers.extraction import Kind
from aggregators.base import Ask
from aggregators.grouping import AnswerKind, group
from evals.compose.answers.matrix import Matrix, known_or_nothing, numbered
from evals.compose.ballots import SILENT, Floats
from evals.runs.folder import RunFolder
from evals.runs.record import RUN_FILE, Row, RunInfo
from experts.errors import ConfigError
from experts.types import Chunk, Request
from routers.base import Encoder
from routers.outcomes import Query

KINDS: Mapping[str, Kind] = {"exact": "text"}
"""Scorers whose name is not itself the name of how an answer is read."""
Question = tuple[str, str]
"""Task and sample."""


class _Meaning:
    """What `group` needs of an aggregator's `Ask`: no expert is asked, texts are embedded."""

    deadline = float("inf")
    quorum = 1

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def __call__(
        self, expert: str, request: Request, *, whole: bool = False
    ) -> AsyncIterator[Chunk]:
        raise NotImplementedError("answers are replayed, nobody is asked")

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._encoder.encode(texts)

    def tell(self, words: str, **facts: Any) -> None:
        """Nobody listens."""


async def from_run(folder: Path, encoder: Encoder, pool: Sequence[str] = ()) -> Matrix:
    """The answers of a run's experts to the questions that all of them answered.

    Only the experts of the `pool`, where it names any. A call that failed is missing, not wrong;
    of several samples the first counts. Raises ConfigError for a folder that is no run, or one in
    which no expert is a subject.
    """
    run = RunFolder(folder)
    if (info := run.info()) is None:
        raise ConfigError(
            f"{folder / RUN_FILE} cannot be read: there is no such file.",
            hint="The folder of a run has it: `coterie eval run` writes one.",
        )
    experts = _experts(folder, info, pool)
    rows: defaultdict[Question, dict[str, Row]] = defaultdict(dict)
    for row in run.rows():
        if row.subject in experts and row.draw == 0:
            answers = rows[row.task, row.sample]
            if row.error is None:
                answers[row.subject] = row
    complete = {q: a for q, a in rows.items() if len(a) == len(experts)}
    if rows and not complete:
        counts = Counter(name for answers in rows.values() for name in answers)
        told = ", ".join(f"{name} ({counts[name]})" for name in experts)
        raise ConfigError(
            f"{folder}: no question was answered by all experts; answered of {len(rows)}: {told}."
        )
    kinds = {task.name: kind_of(task.scorer) for task in info.tasks}
    found = [[answers[name] for name in experts] for answers in complete.values()]
    labels = [
        await _labels(kinds.get(q[0], "auto"), found[n], encoder) for n, q in enumerate(complete)
    ]
    return _matrix(info, experts, found, labels, _common(kinds), len(rows) - len(complete))


def _experts(folder: Path, info: RunInfo, pool: Sequence[str]) -> tuple[str, ...]:
    found = tuple(one.name for one in info.subjects if one.kind == "expert")
    if not found:
        named = ", ".join(one.name for one in info.subjects) or "none"
        raise ConfigError(
            f"{folder}: no subject of this run is an expert (subjects: {named}).",
            hint="`coterie eval run` asks the experts themselves where `--models` names them.",
        )
    if unknown := [name for name in pool if name not in found]:
        raise ConfigError(
            f"{folder}: {', '.join(unknown)} is no expert of this run.",
            hint=f"Its experts are {', '.join(found)}.",
        )
    return tuple(name for name in found if not pool or name in pool)


def kind_of(scorer: str) -> AnswerKind:
    """How votes read the answers to questions with this scorer."""
    if scorer in KINDS:
        return KINDS[scorer]
    return cast(Kind, scorer) if scorer in get_args(Kind) else "auto"


def _matrix(
    info: RunInfo,
    experts: tuple[str, ...],
    found: Sequence[Sequence[Row]],
    labels: Sequence[Sequence[int]],
    answer: AnswerKind,
    left_out: int,
) -> Matrix:
    shape = (len(found), len(experts))

    def each(of: Any) -> NDArray[np.float64]:
        return np.array([[of(row) for row in rows] for rows in found], float).reshape(shape)

    firsts = [rows[0] for rows in found]
    texts = [" ".join(row.question.casefold().split()) for row in firsts]
    return Matrix(
        tuple(Query(f"{r.task}/{r.sample}", r.category, r.question) for r in firsts),
        np.array(texts, dtype=np.str_),
        experts,
        each(lambda row: row.score),
        np.array(labels, dtype=int).reshape(shape),
        known_or_nothing(each(lambda row: row.price_usd)),
        known_or_nothing(each(lambda row: row.seconds)),
        each(lambda row: sum(one.completion for one in row.tokens.values())),
        _known(info, experts, "memory_gb"),
        _known(info, experts, "price_usd_per_mtok"),
        "USD",
        answer,
        tuple(info.experts[name].version if name in info.experts else "" for name in experts),
        tuple(task.name for task in info.tasks),
        left_out,
    )


def _known(info: RunInfo, experts: Sequence[str], field: str) -> Floats:
    """[M] a number of each expert; 0 for one that has none, all NaN where none has."""
    values = [getattr(info.experts.get(name), field, None) for name in experts]
    if all(value is None for value in values):
        return np.full(len(values), np.nan)
    return known_or_nothing(np.array([value or 0.0 for value in values]))


def _common(kinds: Mapping[str, AnswerKind]) -> AnswerKind:
    different = set(kinds.values())
    return different.pop() if len(different) == 1 else "auto"


async def _labels(kind: AnswerKind, rows: Sequence[Row], encoder: Encoder) -> list[int]:
    ask = cast(Ask, _Meaning(encoder))
    grouped = await group(kind, rows[0].question, [row.answer for row in rows], ask)
    # Where no two answers can be compared, the first one is given, as if nothing could be read.
    return [SILENT] * len(rows) if grouped.how == "none" else numbered(grouped.labels)
