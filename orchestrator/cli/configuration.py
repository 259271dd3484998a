"""What a configuration file says: `coterie validate`, `models` and `schema`."""

import json
from collections.abc import Mapping, Sized
from pathlib import Path
from typing import Any

import typer

from experts.errors import ConfigError
from experts.footprint.checkpoint_files import has_chat_template
from experts.footprint.specs import arguments
from experts.spec import TorchSpec, VllmSpec
from orchestrator.cli.tables import print_table
from orchestrator.cli.unreadable import unreadable_files
from orchestrator.config.checks import missing_files, missing_folders, unusable_store
from orchestrator.config.memory_checks import describe, footprints
from orchestrator.config.model import Config, load_config
from orchestrator.config.slot_checks import this_machine, warnings


def validate(file: Path) -> None:
    """Check a file. Raises ConfigError with every mistake."""
    config = load_config(file)
    if problems := missing_files(config.routers):
        raise ConfigError(f"{file} names files that do not exist.", problems=tuple(problems))
    written = missing_folders(config.written())
    if problems := [*unreadable_files(config), *unusable_store(config.store), *written]:
        raise ConfigError(f"{file} names files that cannot be used.", problems=tuple(problems))
    parts = [_count(config.experts, "expert"), _count(config.compositions, "composition")]
    typer.echo(f"{file} is valid: {', '.join(parts)}")
    for name, found in footprints(config.experts, config.slots).items():
        spec = config.experts[name]
        if isinstance(spec, VllmSpec):
            args = arguments(spec, config.slots.engine_args)
            typer.echo(describe(name, found, args))
            if _cannot_chat(spec, args):
                typer.echo(
                    f"{name}: {spec.model} has no chat template, so it answers /v1/completions"
                    f" alone; experts.{name}.engine_args.chat_template names a Jinja file with one"
                )
        if isinstance(spec, TorchSpec):
            typer.echo(
                f"{name}: type torch, several times slower than vLLM, because its members have"
                " different tokenizers"
            )
    if config.ray.address is None and config.hosted():
        for warning in warnings(config.slots, this_machine()):
            typer.echo(f"warning: {warning}")


def _cannot_chat(spec: VllmSpec, args: Mapping[str, Any]) -> bool:
    """Whether a model in a folder has nothing that makes a prompt of messages."""
    if spec.embeds:
        return False
    told = {name.replace("-", "_") for name in args}
    folder = Path(spec.model)
    elsewhere = not folder.is_dir() or bool(told & {"chat_template", "tokenizer"})
    return not elsewhere and not has_chat_template(folder)


def models(file: Path) -> None:
    """Print the model names of a configuration."""
    tree = load_config(file)
    rows = [(name, f"router {c.router}", c.about) for name, c in tree.compositions.items()]
    for name, spec in tree.experts.items():
        adapter, same = getattr(spec, "adapter_of", None), getattr(spec, "same_as", None)
        kind = f"adapter of {adapter}" if adapter else f"same as {same}" if same else spec.type
        rows.append((name, kind, spec.about))
    print_table(("model", "kind", "what it is good at"), rows)


def schema() -> None:
    """Print the JSON Schema of the configuration."""
    typer.echo(json.dumps(Config.model_json_schema(), indent=2))


def _count(things: Sized, what: str) -> str:
    number = len(things)
    return f"{number} {what}{'' if number == 1 else 's'}"
