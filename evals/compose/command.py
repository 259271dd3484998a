"""What `coterie compose` does: read answers, search, and report."""

from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from evals.client.progress import Progress
from evals.compose import experiment
from evals.compose.answers.embedding import embedded
from evals.compose.answers.from_recorded import from_recorded
from evals.compose.answers.from_run import from_run
from evals.compose.answers.matrix import Matrix, check
from evals.compose.bounds import Bounds, Tried
from evals.compose.predictions import Embedded
from evals.compose.report.numbers import write_json
from evals.compose.report.paste import check_name, outcome_table, sections
from evals.compose.report.picture import draw
from evals.compose.report.tables import Printed, print_all
from evals.compose.search import Costs
from evals.compose.steps import Steps
from evals.reporting.outputs import check_outputs
from evals.reporting.table import Finish
from evals.runs.recorded import read_recorded
from experts.errors import ConfigError
from routers.features import MiniLMEncoder

Axis = Literal["price", "calls", "seconds", "memory"]
AXES: dict[Axis, str] = {
    "price": "price",
    "calls": "calls",
    "seconds": "seconds",
    "memory": "memory_gb",
}
FIELDS = {"price": "prices", "seconds": "seconds", "memory": "memory_gb"}
OUTCOMES = Path("composed.parquet")
EMBEDDED = 10
"""Questions that are embedded while a fast router is fitted, about."""


class Source(NamedTuple):
    """Where the answers are: a run's folder, or recorded tables."""

    run: Path | None
    recorded: str | None
    benchmark: str
    pool: str


class Search(NamedTuple):
    """How it is searched, and what the frontier is drawn against (None: price where it differs)."""

    against: Axis | None
    parts: int
    folds: int
    seed: int
    worth: float
    """Points that an expert must be able to bring to be worth its memory."""


class Outputs(NamedTuple):
    """What is written, and how the composition is called."""

    name: str
    outcomes: Path | None
    vectors: Path | None
    json: Path | None
    plot: Path | None


async def compose(
    progress: Progress,
    source: tuple[Any, ...],
    bounds: tuple[Any, ...],
    search: tuple[Any, ...],
    outputs: tuple[Any, ...],
) -> Finish:
    """`coterie compose`: the fields of `Source`, `Bounds`, `Search` and `Outputs`.

    Raises ConfigError.
    """
    limits, how, out = Bounds(*bounds), Search(*search), Outputs(*outputs)
    check_name(out.name)
    check_outputs(out.plot, json=out.json, outcomes=out.outcomes, vectors=out.vectors)
    encoder = MiniLMEncoder(cache_size=0)
    matrix, told = await _read(progress, Source(*source), encoder)
    check(matrix)
    axis = how.against or ("price" if matrix.prices.max() > matrix.prices.min() else "calls")
    cost = _cost(axis, matrix)
    settings = experiment.Settings(limits, cost, how.parts, how.folds, how.seed)
    experiment.check(matrix, settings)
    known, steps = _embedded(matrix, encoder, out.vectors, settings, progress)
    result = experiment.compose(known, settings, steps.next())
    progress.say(f"{result.tried} compositions replayed, {how.parts} times")
    chosen = result.chosen.selected.composition
    path = out.outcomes or OUTCOMES
    calls = min((one for one in (limits.calls, limits.panel) if one is not None), default=None)
    pasted = sections(chosen, matrix.answer, out.name, path, calls)
    if out.outcomes:
        outcome_table(known, chosen).write(out.outcomes)
    if out.json:
        setting = {"source": told, "bounds": str(limits), **how._asdict(), "yaml": pasted}
        write_json(out.json, result, setting)
    if out.plot:
        draw(out.plot, result, cost, _label(axis, matrix))
    written = tuple(filter(None, (out.outcomes, out.json, out.plot)))
    printed = Printed(
        told, matrix, limits, result, how.parts, how.worth / 100, pasted, path, written
    )
    return partial(print_all, printed=printed)


def _embedded(
    matrix: Matrix,
    encoder: MiniLMEncoder,
    file: Path | None,
    settings: experiment.Settings,
    progress: Progress,
) -> tuple[Embedded, Steps]:
    """The questions with their vectors, and the progress of what comes after that."""
    texts = [query.text for query in matrix.queries]
    kept = file is not None and file.exists()
    embedding = 0.0 if kept else len(texts) / EMBEDDED
    steps = Steps(progress.doing, [embedding, sum(experiment.efforts(matrix, settings))])
    vectors = embedded(texts, encoder, file, steps.next())
    return Embedded(matrix, vectors, encoder.name), steps


async def _read(progress: Progress, source: Source, encoder: MiniLMEncoder) -> tuple[Matrix, str]:
    progress.doing("reading the answers")
    names = [name.strip() for name in source.pool.split(",") if name.strip()]
    if source.recorded is not None and source.run is None:
        recorded = read_recorded(source.recorded, names, source.benchmark)
        about = f", {source.benchmark}" if source.benchmark else ""
        return from_recorded(recorded), f"{source.recorded}{about}"
    if source.run is None or source.recorded is not None:
        raise ConfigError(
            "Name either the folder of a run or `--recorded PREFIX`.",
            hint="`coterie eval run` leaves a folder with its answers.",
        )
    if source.benchmark:
        raise ConfigError("`--benchmark` is for recorded tables; a run has its tasks.")
    return await from_run(source.run, encoder, names), str(source.run)


def _cost(axis: Axis, matrix: Matrix) -> Costs:
    field = AXES[axis]
    if field != "calls" and np.isnan(known := getattr(matrix, FIELDS[axis])).any():
        raise ConfigError(
            f"--against {axis}: this is not known of {np.isnan(known).sum()} answers or experts.",
            hint="`--against calls` always is.",
        )

    def cost(one: Tried) -> float:
        return float(getattr(one, field))

    return cost


def _label(axis: Axis, matrix: Matrix) -> str:
    units = {
        "price": f"mean price of a question, {matrix.unit}",
        "calls": "mean calls of a question",
        "seconds": "mean seconds of a question, under the load of the run",
        "memory": "GB of all experts that are asked",
    }
    return units[axis]
