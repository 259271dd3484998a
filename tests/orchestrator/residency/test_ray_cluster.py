"""A cluster that cannot be reached is told in one line."""

import pytest

from experts.errors import ServiceError
from orchestrator.config.slots_section import RayConfig, SlotsConfig
from orchestrator.residency.ray_cluster import connect


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "no.such.invalid:1", "x"])
def test_a_cluster_that_is_not_there(address: str) -> None:
    with pytest.raises(ServiceError) as caught:
        connect(RayConfig(address=address), SlotsConfig())
    assert str(caught.value).startswith(f"Ray is not reachable at {address}: ")
    assert "\n" not in str(caught.value)
    assert "Correct `ray.address`" in str(caught.value)
