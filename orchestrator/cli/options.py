"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_CONFIG = Path("examples/zoo.yaml")
Config = Annotated[
    Path, typer.Option("--config", "-c", help="The YAML file that describes the pool.")
]
ApiKey = Annotated[
    str | None, typer.Option(help="A key of the running service, if it requires one.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
