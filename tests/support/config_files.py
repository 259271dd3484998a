"""Configuration files that tests write, and the mistakes that are found in them."""

from pathlib import Path

import pytest

from experts.errors import ConfigError
from orchestrator.config.model import load_config

REMOTE = {"type": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "m"}
HUB = {"type": "vllm", "model": "org/model"}


def problems_of(path: Path) -> tuple[str, ...]:
    """What `coterie validate` would say about a file that is wrong."""
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return caught.value.problems or (str(caught.value),)
