"""`coterie expert`: a new expert of a pool."""

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop
import yaml

from evals.client.progress import Progress
from evals.reporting.table import make_console
from experts.errors import ConfigError
from orchestrator.cli.remote import call
from orchestrator.config.model import Config, load_config

expert = typer.Typer(no_args_is_help=True, help="Let the routers know a new expert.")


@expert.callback()
def _group() -> None:
    """Keeps `add` a subcommand, though it is the only one."""


@expert.command()
def add(
    file: Annotated[
        Path, typer.Argument(help="The configuration with the new expert, or its lines alone.")
    ],
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The configuration without it.")
    ] = Path("examples/zoo.yaml"),
    probes: Annotated[int, typer.Option(min=1, help="Questions that it is asked.")] = 64,
    url: Annotated[
        str | None, typer.Option(help="A running service that shall use the new routers at once.")
    ] = None,
    api_key: Annotated[
        str | None, typer.Option(help="A key of that service, where it wants one.")
    ] = None,
) -> None:
    """Ask a new expert the most telling probe questions, and fit every router again."""
    settings = load_config(config)
    name, grown = with_expert(settings, config, file)
    console = make_console()
    with Progress(console) as progress:
        progress.doing("loading the code")
        # Imported late: `coterie --help` must not wait for Ray and torch.
        command = import_module("evals.fitting.expert_add")
        finish = uvloop.run(command.add(progress, settings, name, grown, probes))
    code = finish(console)
    if url is not None:
        for router in import_module("orchestrator.cli.router_fitting").fittable(grown):
            call("POST", url, f"/coterie/routers/{router}/reload", api_key)
        typer.echo(f"{url} decides with the new routers; it asks {name} when it has it")
    raise typer.Exit(code)


def with_expert(settings: Config, config: Path, file: Path) -> tuple[str, Config]:
    """The new expert's name, and the configuration with it. Raises ConfigError."""
    tree = _read(file)
    if set(tree) == {"experts"}:
        # Its lines alone: the rest is the configuration's.
        whole: dict[str, Any] = _read(config)
        twice = set(whole["experts"]) & set(tree["experts"] or ())
        if twice:
            raise ConfigError(f"{config} has {', '.join(sorted(twice))} already.")
        merged = {**whole, "experts": {**whole["experts"], **(tree["experts"] or {})}}
        beside = config.parent / f".{config.stem}.with-new.yaml"
        try:
            beside.write_text(yaml.safe_dump(merged, sort_keys=False), encoding="utf-8")
            grown = load_config(beside)
        finally:
            beside.unlink(missing_ok=True)
    else:
        grown = load_config(file)
    new = [name for name in grown.experts if name not in settings.experts]
    if len(new) != 1:
        raise ConfigError(f"{file} has {len(new)} experts that {config} lacks; one is needed.")
    return new[0], grown


def _read(file: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read ({' '.join(str(error).split())}).") from error
    if not isinstance(tree, dict) or not isinstance(tree.get("experts"), dict):
        raise ConfigError(f"{file} names no experts.")
    return tree
