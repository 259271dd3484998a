"""`coterie bench` needs an expert that has an endpoint of its own."""

from typing import Any

import pytest

from evals.benchmarks.gateway.command import bench
from experts.errors import ConfigError, ServiceError


async def test_what_cannot_be_measured(started: Any, config: Any, progress: Any) -> None:
    with pytest.raises(ConfigError, match=r"No expert to measure.*Known: alpha, beta"):
        await bench(progress, config(), "gamma", 1, None)
    with pytest.raises(ServiceError, match="beta has no endpoint"):
        await bench(progress, config(), "beta", 1, None)
