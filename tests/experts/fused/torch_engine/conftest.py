"""A mixture of zoo experts with two tokenizers: random interaction layers with open gates."""

from __future__ import annotations

from pathlib import Path

import pytest
from mixtures import write_mixture

from aggregators.mixture_of_thoughts.model import MixtureOfThoughts
from aggregators.mixture_of_thoughts.training_config import TrainingConfig

MEMBERS = ("arithmetic", "translation", "geography")
"""The second has a tokenizer of its own."""


@pytest.fixture(scope="session", params=["positionwise", "sequence"])
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, TrainingConfig, MixtureOfThoughts]:
    folder = tmp_path_factory.mktemp("mixture") / request.param
    shape = {"stacks": 3, "active": 3, "shared_width": 32, "heads": 1, "attention": request.param}
    return folder, *write_mixture(folder, MEMBERS, 0.8, **shape)
