"""Reads the lines of one expert, as people write them into the configuration's file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from experts.errors import ConfigError
from experts.files.yaml_text import parse_yaml
from experts.mistakes import explain
from orchestrator.server.bodies.reload import NamedExpert

SOURCE = Path("the expert's lines")


def one_expert(text: str) -> tuple[str, Mapping[str, Any]]:
    """The name and keys of the one expert in the lines. Raises ConfigError."""
    tree = parse_yaml(text, SOURCE)
    if isinstance(tree, dict) and set(tree) == {"experts"}:
        tree = tree["experts"]
    if not isinstance(tree, dict) or len(tree) != 1:
        raise ConfigError("One expert is needed: its name, and below it its keys.")
    ((name, keys),) = tree.items()
    if not isinstance(keys, dict):
        raise ConfigError(f"experts.{name}: its keys are missing, such as `type: vllm`.")
    try:
        body = NamedExpert.model_validate({**keys, "name": name})
    except ValidationError as error:
        found = explain(NamedExpert, error)
        words = [f"experts.{name}.{one}" for one in found if not one.startswith("name:")]
        words += [f"experts.{one}" for one in found if one.startswith("name:")]
        raise ConfigError("The lines have mistakes.", problems=tuple(words)) from error
    return body.name, body.keys
