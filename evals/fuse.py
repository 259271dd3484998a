"""`coterie fuse`: makes fused experts, and measures them."""

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ConfigDict, Field

from evals.table import make_console
from evals.tasks import find_tasks
from experts.errors import ConfigError
from experts.training.yaml_file import read_yaml

fuse = typer.Typer(no_args_is_help=True, help="Make one expert of several models.")

OutOption = Annotated[Path, typer.Option("--out", "-o", help="The fused folder to write.")]


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
    write = import_module("experts.vllm.composite.write")
    write.write_composite(out, "CoterieContrast", members, file.roles)
    names = ", ".join(str(role.get("name")) for role in file.roles)
    typer.echo(f"wrote {out}: {', '.join(members)} as one model; roles: {names}")


@fuse.command("fusion-route")
def fusion_route(
    out: OutOption,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="YAML of a training run.")
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", help="JSONL with prompt and answer, instead of the file's own."),
    ] = None,
    preferences: Annotated[
        list[Path] | None,
        typer.Option(help="JSONL with prompt, chosen and rejected, instead of the file's own."),
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="Folder of the run's state; else OUT with `.run` added.")
    ] = None,
    evaluate: Annotated[
        bool,
        typer.Option(
            "--evaluate", help="Measure the fused folder beside its controls; exit 1 for a miss."
        ),
    ] = False,
    task: Annotated[
        list[str] | None,
        typer.Option(
            "--task", "-t", help="A task's name, or its YAML file; else all of evals/tasks."
        ),
    ] = None,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write every accuracy to this file.")
    ] = None,
) -> None:
    """Train FusionRoute (a stopped run goes on), write the fused expert, measure it."""
    if config is None and not evaluate:
        raise ConfigError("Nothing to do.", hint="Give --config FILE to train, or --evaluate.")
    tasks = find_tasks(task or ())
    # Imported late: torch takes seconds.
    command = import_module("evals.fusion.route")
    state = run or out.with_name(f"{out.name}.run")
    settings = command.read(config, data, preferences) if config else None
    if settings is not None:
        command.train(settings, state, out)
    if evaluate:
        finish = command.evaluate(out, tasks, settings, state, json_out)
        raise typer.Exit(finish(make_console()))
