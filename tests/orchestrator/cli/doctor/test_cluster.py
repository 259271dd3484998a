"""What joining a cluster means: nodes with and without room, tokens, versions, silence."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.doctor.cluster import Cluster, check_cluster, check_room, join, places
from orchestrator.cli.doctor.finding import Level
from orchestrator.config.slots_section import SlotsConfig

NODES = ({"CPU": 8.0, "GPU": 2.0}, {"CPU": 4.0, "GPU": 1.0})
TOKEN = {"RAY_AUTH_MODE": "token"}


def test_a_cluster_with_room() -> None:
    slots = SlotsConfig(count=3, cpus=2, gpus=1)
    joined, room = check_cluster("head:6379", Cluster(NODES), slots, TOKEN)
    assert (joined.level, room.level) == (Level.OK, Level.OK)
    assert "2 nodes" in joined.found


def test_a_cluster_without_a_token_is_open_to_all() -> None:
    levels = [f.level for f in check_cluster("head:6379", Cluster(NODES), SlotsConfig(), {})]
    assert levels == [Level.WARNING, Level.OK, Level.OK]


@pytest.mark.parametrize(
    ("cluster", "environment", "advice"),
    [
        (Cluster(trouble="refused", printed="InvalidAuthToken"), TOKEN, "RAY_AUTH_TOKEN"),
        (Cluster(trouble="Version mismatch: 2.59"), TOKEN, "same lock"),
        (Cluster(trouble="no answer within 60 s"), TOKEN, "same RAY_AUTH_TOKEN"),
        (Cluster(trouble="no answer within 60 s"), {}, "head up"),
    ],
)
def test_a_cluster_that_cannot_be_joined(
    cluster: Cluster, environment: dict[str, str], advice: str
) -> None:
    (found,) = check_cluster("head:6379", cluster, SlotsConfig(), environment)
    assert (found.level, advice in found.advice) == (Level.FAULT, True)


def test_an_address_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = listener.getsockname()[1]
    cluster = join(f"127.0.0.1:{free}")
    assert f"Ray is not reachable at 127.0.0.1:{free}" in cluster.trouble


@pytest.mark.parametrize(
    ("slots", "room"),
    [
        (SlotsConfig(cpus=4), 3),
        (SlotsConfig(cpus=5), 1),
        (SlotsConfig(cpus=1, gpus=1), 3),
        (SlotsConfig(cpus=1, gpus=0.5), 6),
        (SlotsConfig(cpus=4, gpus=0.5), 3),
        (SlotsConfig(cpus=1, gpus=4), 0),
    ],
)
def test_places(slots: SlotsConfig, room: int) -> None:
    assert sum(places(node, slots) for node in NODES) == room


amounts = st.integers(0, 64).map(float)


@given(
    cpu=amounts, gpu=amounts, cpus=st.integers(1, 8), gpus=st.sampled_from([None, 0.25, 0.5, 1, 2])
)
def test_as_many_slots_as_there_are_places_fit(
    cpu: float, gpu: float, cpus: int, gpus: float | None
) -> None:
    node = {"CPU": cpu, "GPU": gpu}
    slots = SlotsConfig(cpus=cpus, gpus=gpus)
    fit = places(node, slots)
    assert fit * cpus <= cpu
    assert fit * (gpus or 0) <= gpu
    if fit:
        assert check_room((node,), slots.model_copy(update={"count": fit})).level is Level.OK
    more = check_room((node,), slots.model_copy(update={"count": fit + 1}))
    assert more.level is Level.FAULT
