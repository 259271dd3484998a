"""`coterie fuse`: one expert made of several models."""

from pathlib import Path
from typing import Annotated

import typer

from evals.cli import options as own
from evals.cli.launch import launch
from experts.errors import ConfigError
from orchestrator.cli import options, running

fuse = typer.Typer(no_args_is_help=True, help="Make one expert of several models.")

Out = Annotated[Path, typer.Option("--out", "-o", help="The fused folder to write.")]
Run = Annotated[Path | None, typer.Option("--config", "-c", help="YAML of a training run.")]
Data = Annotated[
    list[Path] | None,
    typer.Option("--data", help="JSONL with prompt and answer, instead of the file's own."),
]
State = Annotated[
    Path | None,
    typer.Option(
        "--run", help="Folder for the state of the run. Default: OUT with `.run` appended."
    ),
]
Evaluate = Annotated[
    bool,
    typer.Option(
        "--evaluate", help="Measure the fused folder beside controls; exit 1 if a target is missed."
    ),
]
JsonOut = Annotated[
    Path | None, typer.Option("--json", help="Also write every accuracy to this file.")
]


@fuse.command()
def contrast(
    config: Annotated[Path, typer.Option("--config", "-c", help="YAML: members and roles.")],
    out: Out,
) -> None:
    """Contrast models, or tune by proxy; nothing is trained.

    The logits are z = z_plus + w (z_b - z_c).
    """
    running.call("evals.fitting.fuse.contrast:contrast", config, out)


@fuse.command("fusion-route")
def fusion_route(
    out: Out,
    config: Run = None,
    data: Data = None,
    preferences: Annotated[
        list[Path] | None,
        typer.Option(help="JSONL with prompt, chosen and rejected, instead of the file's own."),
    ] = None,
    run: State = None,
    evaluate: Evaluate = False,
    task: own.Tasks = None,
    data_root: own.DataRoot = None,
    json_out: JsonOut = None,
) -> None:
    """Train FusionRoute, write the fused expert, measure it.

    A run that was stopped is resumed.
    """
    _need(config is not None or evaluate)
    arguments = (
        out,
        config,
        data,
        preferences,
        run,
        evaluate,
        own.wanted(task, data_root),
        json_out,
    )
    launch("evals.benchmarks.fusion.training:fusion_route", None, *arguments)


@fuse.command("mixture-of-thoughts")
def mixture_of_thoughts(
    out: Out,
    config: Run = None,
    data: Data = None,
    run: State = None,
    evaluate: Evaluate = False,
    ablate: Annotated[
        Path | None,
        typer.Option(help="YAML of variants: train each with several seeds below OUT, compare."),
    ] = None,
    task: own.Tasks = None,
    data_root: own.DataRoot = None,
    json_out: JsonOut = None,
) -> None:
    """Train a Mixture of Thoughts, write it, measure it.

    A run that was stopped is resumed.
    """
    _need(config is not None or (evaluate and not ablate))
    arguments = (out, config, data, run, evaluate, ablate, own.wanted(task, data_root), json_out)
    launch("evals.benchmarks.fusion.training:mixture_of_thoughts", None, *arguments)


@fuse.command("self-contrast")
def self_contrast(
    expert: Annotated[str, typer.Option(help="An expert that is a mixture of experts.")],
    task: Annotated[list[str], typer.Option("--task", "-t", help="A task; may be repeated.")],
    config: options.Config = options.DEFAULT_CONFIG,
    data_root: own.DataRoot = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Also write the fused expert into this folder."),
    ] = None,
    role_token: Annotated[
        list[str] | None,
        typer.Option(
            help="A token that stands for a role of the written folder, `fitted` first; may be"
            " repeated. Default: free ones are found."
        ),
    ] = None,
) -> None:
    """Fit self-contrast to tasks, and compare it with greedy.

    The exit code is 1 if it is below greedy decoding.
    """
    _need_out(out, role_token)
    arguments = (expert, own.wanted(task, data_root), out, tuple(role_token or ()))
    launch("evals.fitting.fuse.self_contrast_command:self_contrast", config, *arguments)


def _need(something: bool) -> None:
    if not something:
        raise ConfigError("Nothing to do.", hint="Give --config FILE to train, or --evaluate.")


def _need_out(out: Path | None, role_token: list[str] | None) -> None:
    if role_token and out is None:
        raise ConfigError(
            "--role-token names tokens of the folder that is written.", hint="Give --out FOLDER."
        )
