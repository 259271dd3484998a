"""A configuration file in a folder of its own, and weights beside it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from config_files import write_checkpoint


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Any], Path]:
    """Writes a configuration: a tree, or the text as it is."""

    def write_file(content: Any) -> Path:
        path = tmp_path / "pool.yaml"
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A folder that looks like a checkpoint."""
    folder = write_checkpoint(tmp_path / "weights")
    (folder / "adapter_config.json").write_text("{}")
    return folder
