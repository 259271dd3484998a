"""What `coterie router map` does: a router's map, and maps of other budgets, measured."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from evals.benchmarks.composition import claim, evidence, fallback, labels, picture, sweep
from evals.benchmarks.composition.evidence import Evidence
from evals.benchmarks.composition.parts import learn
from evals.benchmarks.composition.report import Measured, print_measured, write_json
from evals.client.progress import Progress
from evals.compose.answers.embedding import embedded
from evals.reporting.outputs import check_outputs
from evals.reporting.table import Finish, print_table, say
from evals.runs.recorded import read_recorded
from experts.errors import ConfigError
from orchestrator.cli.router_fitting import fitted_router, parsed
from orchestrator.config.model import Config
from routers.composition import mapping
from routers.composition.composition_config import CompositionConfig
from routers.composition.unlabelled import labelled
from routers.features import MiniLMEncoder

KINDS: tuple[sweep.Kind, ...] = ("total", "active")


class Wanted(NamedTuple):
    """What the command line asks for."""

    folds: int
    points: int
    at: float | None
    """The budget of active parameters of labels and fallback."""
    labels: bool
    fallback: bool
    plot: Path | None
    json_out: Path | None


def recorded_map(
    progress: Progress,
    fit: str,
    pool: str,
    classifier: str,
    vectors_file: Path | None,
    options: Sequence[Any],
) -> Finish:
    """`coterie router map --fit`. Raises ConfigError."""
    wanted = Wanted(*options)
    names = [name.strip() for name in pool.split(",") if name.strip()]
    if len(names) == 1:
        raise ConfigError("A pool of one model leaves nothing to map.")
    settings = evidence.recorded_settings(classifier)
    check_outputs(wanted.plot, json=wanted.json_out, vectors=vectors_file)
    progress.doing("reading the tables")
    known, left_out = evidence.sized(read_recorded(fit, names), names)
    evidence.check_budget(wanted.at, known.models, evidence.active_of(known, known.models))
    evidence.split(known.scores, evidence.numbered(known), wanted.folds)
    encoder = MiniLMEncoder(cache_size=0)
    texts = [query.text for query in known.queries]
    vectors = embedded(texts, encoder, vectors_file, progress.doing)
    found = evidence.of_recorded(known, vectors, encoder.name, settings, left_out)
    title = f"{fit}, {len(found.training_set.experts)} models with sizes in billions"
    return _measure(progress, found, title, " (billions)", wanted)


def configured_map(
    progress: Progress, settings: Config, name: str, options: Sequence[Any]
) -> Finish:
    """`coterie router map NAME`. Raises ConfigError."""
    wanted = Wanted(*options)
    check_outputs(wanted.plot, json=wanted.json_out)
    keys = parsed(settings, name)
    if not isinstance(keys, CompositionConfig):
        raise ConfigError(f"routers.{name} is of type {keys.type}: it has no map.")
    experts = tuple(settings.answering)
    evidence.check_budget(wanted.at, experts, keys.sizes_of(experts)[1])
    progress.doing("fitting the router")
    made = fitted_router(settings, name)
    found = evidence.of_table(made.fitted.training_set, keys)
    title = f"routers.{name}, {len(found.training_set.experts)} experts"
    unit = " (as in `sizes`)" if keys.sizes else " (each expert: 1)"
    finish = _measure(progress, found, title, unit, wanted)
    return partial(_with_map, found=found, finish=finish)


def _measure(progress: Progress, found: Evidence, title: str, unit: str, wanted: Wanted) -> Finish:
    splits = found.splits(wanted.folds)
    parts = learn(found, splits, progress.doing)
    points = {
        kind: sweep.sweep(found, parts, kind, wanted.points, progress.doing) for kind in KINDS
    }
    compared = {kind: claim.compare(found, parts, kind, own) for kind, own in points.items()}
    asked = (found, splits, wanted.at, progress.doing)
    count = sum(len(unseen) for _, unseen in splits)
    measured = Measured(
        f"{title}; {count} questions, {wanted.folds}-fold cross-validation, groups kept together.",
        {kind: (points[kind], compared[kind]) for kind in KINDS},
        found.left_out,
        labels.hide_and_find(*asked) if wanted.labels else (),
        fallback.fall_back(*asked) if wanted.fallback else {},
    )
    if wanted.json_out:
        setting = {"what": title, "folds": wanted.folds, "at": wanted.at}
        write_json(wanted.json_out, measured, setting)
    if wanted.plot:
        picture.draw(wanted.plot, found, parts, points, unit)
    written = (wanted.json_out, wanted.plot)
    return partial(_finish, measured=measured, written=written)


def _finish(console: Console, measured: Measured, written: Sequence[Path | None]) -> int:
    print_measured(console, measured)
    for path in filter(None, written):
        say(console, f"wrote {path}")
    return 0


def _with_map(console: Console, found: Evidence, finish: Finish) -> int:
    """The configured map, fitted on all questions, before what was measured."""
    keys, training_set = found.settings, found.training_set
    named = labelled(training_set, keys.unlabelled, keys.neighbours, keys.label_confidence)
    known = mapping.utilities(named, keys.prior_weight)
    general = keys.coverage.general if keys.coverage else None
    kept = tuple(np.flatnonzero([name == general for name in training_set.experts]).tolist())
    solved = mapping.solve(known, found.total, keys.budget, keys.active_budget, kept, found.active)
    rows = [
        [
            category,
            f"{100 * known.shares[row]:.1f}",
            training_set.experts[expert],
            f"{known.values[row, expert]:.3f}",
        ]
        for row, (category, expert) in enumerate(zip(known.categories, solved.experts, strict=True))
    ]
    print_table(console, ("category", "share %", "expert", "utility"), rows)
    say(console)
    return finish(console)
