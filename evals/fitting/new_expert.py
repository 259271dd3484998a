"""Which expert a file adds to a configuration."""

from pathlib import Path
from typing import Any

import yaml

from experts.errors import ConfigError
from experts.files.jsonl import read_text
from experts.files.yaml_text import parse_yaml
from orchestrator.config.model import Config, load_config


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
    new = [name for name in grown.answering if name not in settings.experts]
    if len(new) != 1:
        raise ConfigError(
            f"{file} has {len(new)} answering experts that {config} lacks; one is needed."
        )
    return new[0], grown


def _read(file: Path) -> dict[str, Any]:
    tree = parse_yaml(read_text(file), file)
    if not isinstance(tree, dict) or not isinstance(tree.get("experts"), dict):
        raise ConfigError(f"{file} names no experts.")
    return tree
