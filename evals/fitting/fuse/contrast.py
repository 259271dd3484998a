"""`coterie fuse contrast`: a fused folder that needs no training."""

from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel, ConfigDict, Field

from experts.fused.folder.adapters import merge_adapters
from experts.fused.folder.write import write_composite
from experts.fused.training.yaml_file import anchored, read_yaml


class ContrastFile(BaseModel):
    """What `coterie fuse contrast` reads. Relative paths start at the folder of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    members: dict[str, Path] = Field(min_length=1)
    roles: list[dict[str, Any]] = Field(min_length=1)
    adapter_of: dict[str, str] = Field(
        {},
        description="Bases of members that are LoRA adapters: name -> another member or a folder;"
        " by default what their adapter_config.json names.",
    )
    role_tokens: tuple[str, ...] = Field(
        (), description="Tokens that stand for the roles; by default free ones are found."
    )


def contrast(config: Path, out: Path) -> None:
    """Write the fused folder that a file describes. Raises ConfigError."""
    file = read_yaml(config, ContrastFile, "a contrast")
    members = merge_adapters(
        {name: config.parent / path for name, path in file.members.items()},
        anchored(file.adapter_of, file.members, config.parent),
        out,
        typer.echo,
    )
    write_composite(out, "CoterieContrast", members, file.roles, role_tokens=file.role_tokens)
    names = ", ".join(str(role.get("name")) for role in file.roles)
    typer.echo(f"wrote {out}: {', '.join(members)} as one model; roles: {names}")
