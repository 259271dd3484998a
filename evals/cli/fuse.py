"""`coterie fuse`: makes fused experts, and measures them."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ConfigDict, Field
from rich.console import Console

from evals.client.progress import Progress
from evals.reporting.table import make_console
from evals.tasks.task import find_tasks
from experts.errors import ConfigError
from experts.fused.training.yaml_file import read_yaml

fuse = typer.Typer(no_args_is_help=True, help="Make one expert of several models.")

Finish = Callable[[Console], int]
OutOption = Annotated[Path, typer.Option("--out", "-o", help="The fused folder to write.")]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="YAML of a training run.")
]
DataOption = Annotated[
    list[Path] | None,
    typer.Option("--data", help="JSONL with prompt and answer, instead of the file's own."),
]
RunOption = Annotated[
    Path | None, typer.Option(help="Folder of the run's state; else OUT with `.run` added.")
]
EvaluateOption = Annotated[
    bool,
    typer.Option("--evaluate", help="Measure the fused folder beside controls; exit 1 for a miss."),
]
TaskOption = Annotated[
    list[str] | None,
    typer.Option("--task", "-t", help="A task's name, or its YAML file; else all of evals/tasks."),
]
JsonOption = Annotated[
    Path | None, typer.Option("--json", help="Write every accuracy to this file.")
]
NOTHING, GIVE = "Nothing to do.", "Give --config FILE to train, or --evaluate."


class ContrastFile(BaseModel):
    """What `coterie fuse contrast` reads. Relative paths start at the folder of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    members: dict[str, Path] = Field(min_length=1)
    roles: list[dict[str, Any]] = Field(min_length=1)


@fuse.command()
def contrast(
    config: Annotated[Path, typer.Option("--config", "-c", help="YAML: members and roles.")],
    out: OutOption,
) -> None:
    """Contrast between models, and proxy tuning: z = z_plus + w (z_b - z_c); no training."""
    file = read_yaml(config, ContrastFile, "a contrast")
    members = {name: config.parent / path for name, path in file.members.items()}
    write = import_module("experts.fused.folder.write")
    write.write_composite(out, "CoterieContrast", members, file.roles)
    names = ", ".join(str(role.get("name")) for role in file.roles)
    typer.echo(f"wrote {out}: {', '.join(members)} as one model; roles: {names}")


@fuse.command("fusion-route")
def fusion_route(
    out: OutOption,
    config: ConfigOption = None,
    data: DataOption = None,
    preferences: Annotated[
        list[Path] | None,
        typer.Option(help="JSONL with prompt, chosen and rejected, instead of the file's own."),
    ] = None,
    run: RunOption = None,
    evaluate: EvaluateOption = False,
    task: TaskOption = None,
    json_out: JsonOption = None,
) -> None:
    """Train FusionRoute (a stopped run goes on), write the fused expert, measure it."""
    if config is None and not evaluate:
        raise ConfigError(NOTHING, hint=GIVE)
    tasks = find_tasks(task or ())
    # Imported late: torch takes seconds.
    command = import_module("evals.fitting.fuse.fusion_route")
    state = run or out.with_name(f"{out.name}.run")
    settings = command.read(config, data, preferences) if config else None
    if settings is not None:
        command.train(settings, state, out)
    if evaluate:
        control = command.fine_tune(settings, state) if settings is not None else None
        _measure(partial(command.evaluate, out, control, tasks, json_out))


@fuse.command("mixture-of-thoughts")
def mixture_of_thoughts(
    out: OutOption,
    config: ConfigOption = None,
    data: DataOption = None,
    run: RunOption = None,
    evaluate: EvaluateOption = False,
    ablate: Annotated[
        Path | None,
        typer.Option(help="YAML of variants: train each with several seeds below OUT, compare."),
    ] = None,
    task: TaskOption = None,
    json_out: JsonOption = None,
) -> None:
    """Train a Mixture of Thoughts (a stopped run goes on), write the fused expert, measure it."""
    if config is None and (ablate or not evaluate):
        raise ConfigError(NOTHING, hint=GIVE)
    tasks = find_tasks(task or ())
    # Imported late: torch takes seconds.
    command = import_module("evals.fitting.fuse.mixture_of_thoughts")
    settings = command.read(config, data) if config else None
    if ablate is not None:
        study = import_module("evals.benchmarks.fusion.ablation")
        runs = study.plan(settings, ablate)
        _measure(partial(study.evaluate, runs, study.train(runs, out), tasks, json_out))
    if settings is not None:
        command.train(settings, run or out.with_name(f"{out.name}.run"), out)
    if evaluate:
        _measure(partial(command.evaluate, out, tasks, json_out))


def _measure(evaluation: Callable[[Progress], Coroutine[Any, Any, Finish]]) -> None:
    """Run an evaluation, print what it found, and exit with its code."""
    console = make_console()
    with Progress(console) as progress:
        finish = asyncio.run(evaluation(progress))
    raise typer.Exit(finish(console))
