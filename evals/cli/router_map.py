"""`coterie router map`: the map of a composition, and what maps of other budgets would bring."""

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from evals.cli import options as own
from evals.cli.launch import launch
from orchestrator.cli import options
from orchestrator.cli.empty_values import PREFIX

ROOM = "evals.benchmarks.composition.command"


Name = Annotated[
    str | None,
    typer.Argument(help="A router of the configuration, of type `composition`; or give --fit."),
]
Fit = Annotated[
    str | None,
    typer.Option(
        metavar=PREFIX,
        help="Path prefix of recorded tables instead of a router: PREFIX_queries.parquet and so"
        " on, with models.csv beside them.",
    ),
]
Pool = Annotated[
    str,
    typer.Option(
        help="With --fit: models, separated by commas. Default: all that have a size and were asked"
        " every question."
    ),
]
Classifier = Annotated[
    str, typer.Option(help="With --fit: what finds a category, knn, logistic or kernel.")
]
Vectors = Annotated[
    Path | None, typer.Option(help="With --fit: a file (.npz) that keeps the questions' vectors.")
]
Folds = Annotated[int, typer.Option(min=2, help="Folds of the cross-validation.")]
Points = Annotated[
    int, typer.Option(min=2, help="Budgets beside the sizes of the experts themselves.")
]
At = Annotated[
    float | None,
    typer.Option(
        min=0, help="The budget of active parameters for --labels and --fallback. Default: none."
    ),
]
Labels = Annotated[
    bool, typer.Option("--labels", help="Also hide categories, and let neighbours give them.")
]
Fallback = Annotated[
    bool, typer.Option("--fallback", help="Also measure the fallback to a general expert.")
]
Plot = Annotated[Path | None, typer.Option(help="Also draw accuracy over budgets: .svg or .png.")]


def show_map(
    name: Name = None,
    config: options.Config = options.DEFAULT_CONFIG,
    fit: Fit = None,
    pool: Pool = "",
    classifier: Classifier = "knn",
    vectors: Vectors = None,
    folds: Folds = 5,
    points: Points = 24,
    at: At = None,
    labels: Labels = False,
    fallback: Fallback = False,
    plot: Plot = None,
    json_out: own.JsonOut = None,
) -> None:
    """Print a composition's map, and measure other budgets.

    On questions that they were not fitted on, beside single experts and the oracle.
    """
    errors = import_module("experts.errors")
    if (name is None) == (fit is None):
        raise errors.ConfigError(
            "Either a router's name or --fit is needed, and not both.",
            hint="`coterie router map NAME --config FILE`, or `coterie router map --fit PREFIX`.",
        )
    wanted = (folds, points, at, labels, fallback, plot, json_out)
    if fit is None:
        launch(f"{ROOM}:configured_map", config, name, wanted)
    else:
        launch(f"{ROOM}:recorded_map", None, fit, pool, classifier, vectors, wanted)
