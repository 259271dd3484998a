"""Programs of other people that check what lies in deploy/, where they are installed."""

import shutil
from pathlib import Path

import pytest
from repository import ROOT

FOLDER = ROOT / ".venv-tools" / "bin"


def tool(name: str) -> Path:
    """A program of `make tools`, or one that is installed elsewhere; else the test is skipped."""
    own = FOLDER / name
    if own.is_file():
        return own
    if name == "python" or (found := shutil.which(name)) is None:
        pytest.skip(f"{name} is not there: `make tools`")
    return Path(found)
