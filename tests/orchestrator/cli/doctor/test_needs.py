"""What configurations ask of a machine."""

from typing import Any

import pytest
from config_files import HUB, REMOTE

from orchestrator.cli.doctor.machine_checks import Needs
from orchestrator.cli.doctor.needs import needs_of
from orchestrator.config.model import Config

CONNECTIONS = 4096 + 1024


def _needs(**tree: Any) -> Needs:
    return needs_of(Config.model_validate({"experts": {"law": HUB}, **tree}))


def test_a_gateway_to_other_servers_needs_no_slot() -> None:
    assert _needs(experts={"far": REMOTE}) == Needs(connections=CONNECTIONS)


def test_slots_of_a_cluster_need_nothing_here() -> None:
    needs = _needs(ray={"address": "auto"}, slots={"count": 9, "gpus": 1})
    assert needs == Needs(connections=CONNECTIONS, joins_cluster=True)


@pytest.mark.parametrize(("gpus", "spread"), [(0.5, False), (1, False), (2, True)])
def test_slots_on_gpus(gpus: float, spread: bool) -> None:
    needs = _needs(slots={"count": 2, "gpus": gpus, "memory_gb": 70, "host_memory_gb": 100})
    assert (needs.slots, needs.gpus, needs.memory_gb, needs.sleeping_gb) == (2, gpus, 70, 100)
    assert needs.spread is spread


def test_only_level_1_sleeps_in_host_memory() -> None:
    assert _needs(slots={"gpus": 1, "sleep_level": 2}).sleeping_gb == 0
