"""Reading the YAML file of a run or of a fused expert, with every mistake named."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from experts.errors import ConfigError
from experts.files.jsonl import read_text
from experts.files.yaml_text import parse_yaml

Tree = TypeVar("Tree", bound=BaseModel)


def mistakes(error: ValidationError) -> tuple[str, ...]:
    """Every mistake with its place."""
    return tuple(
        f"{'.'.join(map(str, found['loc'])) or '(top level)'}: {found['msg']}"
        for found in error.errors()
    )


def anchored(
    adapter_of: Mapping[str, str], members: Collection[str], folder: Path
) -> dict[str, str]:
    """`adapter_of` of a file in `folder`: what is no member's name is a folder, from there."""
    return {
        name: base if base in members else str(folder / base) for name, base in adapter_of.items()
    }


def read_yaml(path: Path, kind: type[Tree], what: str) -> Tree:
    """Read a file as `kind`. Raises ConfigError, with `what` it should have described."""
    tree = parse_yaml(read_text(path), path)
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(
            f"{path} does not describe {what}.",
            problems=mistakes(error),
            hint=f"Its keys: {', '.join(kind.model_fields)}.",
        ) from error
