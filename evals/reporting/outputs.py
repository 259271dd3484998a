"""Files that a command will write: looked at before hours of work, and not after them."""

import os
from pathlib import Path

from experts.errors import ConfigError

PICTURES = (".svg", ".png")


def check_outputs(plot: Path | None = None, **files: Path | None) -> None:
    """Raise ConfigError for a picture of another kind, and for what cannot be written.

    `files` are named by their options: `json` is --json. Folders that are missing are made when
    the file is written.
    """
    if plot is not None and plot.suffix not in PICTURES:
        raise ConfigError(f"--plot {plot}: its name must end with {' or '.join(PICTURES)}.")
    for name, file in {"plot": plot, **files}.items():
        if file is not None and (why := _unwritable(file)):
            raise ConfigError(f"--{name} {file}: cannot be written ({why}).")


def _unwritable(file: Path) -> str:
    if file.is_dir():
        return "it is a folder"
    if file.exists():
        return "" if os.access(file, os.W_OK) else "it is read-only"
    folder = next(one for one in file.absolute().parents if one.exists())
    if not folder.is_dir():
        return f"{folder} is a file"
    return "" if os.access(folder, os.W_OK | os.X_OK) else f"nothing can be made in {folder}"
