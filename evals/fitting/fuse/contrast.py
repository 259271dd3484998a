"""`coterie fuse contrast`: a fused folder that needs no training."""

from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel, ConfigDict, Field

from experts.fused.folder.write import write_composite
from experts.fused.training.yaml_file import read_yaml


class ContrastFile(BaseModel):
    """What `coterie fuse contrast` reads. Relative paths start at the folder of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    members: dict[str, Path] = Field(min_length=1)
    roles: list[dict[str, Any]] = Field(min_length=1)


def contrast(config: Path, out: Path) -> None:
    """Write the fused folder that a file describes. Raises ConfigError."""
    file = read_yaml(config, ContrastFile, "a contrast")
    members = {name: config.parent / path for name, path in file.members.items()}
    write_composite(out, "CoterieContrast", members, file.roles)
    names = ", ".join(str(role.get("name")) for role in file.roles)
    typer.echo(f"wrote {out}: {', '.join(members)} as one model; roles: {names}")
