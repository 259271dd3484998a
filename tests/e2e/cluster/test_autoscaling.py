"""Slots asked of Ray's autoscaler: a node is made for one when many wait, and goes when none do."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from asking import Clients
from nodes import ADDRESS, HEAD, Nodes, made_nodes
from repository import ROOT
from service_process import ServedProcess, started

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

EXPERTS = ("arithmetic", "geography", "logic", "units")
CONFIG: dict[str, Any] = {
    "experts": {
        name: {"type": "vllm", "model": str(ROOT / f"experts/zoo/weights/{name}"), "memory_gb": 1.5}
        for name in EXPERTS
    },
    "slots": {
        "count": 1,
        "max_count": 2,
        "grow_after_s": 0.3,
        "give_back_after_s": 20,
        "memory_gb": 4.5,
        "engine_args": {"dtype": "float32", "max_model_len": 256},
    },
    "ray": {"address": ADDRESS},
    "store": "memory",
}
AUTOSCALER: dict[str, Any] = {
    "cluster_name": "fake",
    "max_workers": 1,
    "idle_timeout_minutes": 0.5,
    "provider": {
        "type": "fake_multinode",
        "gcs_address": ADDRESS,
        "use_node_id_as_ip": True,
        "disable_node_updaters": True,
        "disable_launch_config_check": True,
    },
    "available_node_types": {
        "ray.head.default": {"resources": {"CPU": 1}, "node_config": {}, "max_workers": 0},
        "worker": {
            "resources": {"CPU": 1, "object_store_memory": 80_000_000},
            "node_config": {},
            "min_workers": 0,
            "max_workers": 1,
        },
    },
    "head_node_type": "ray.head.default",
    "auth": {},
    "upscaling_speed": 1.0,
    "file_mounts": {},
    "cluster_synced_files": [],
    "file_mounts_sync_continuously": False,
    "rsync_exclude": [],
    "rsync_filter": [],
    "initialization_commands": [],
    "setup_commands": [],
    "head_setup_commands": [],
    "worker_setup_commands": [],
    "head_start_ray_commands": [],
    "worker_start_ray_commands": [],
}


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """A head with room for one slot, and an autoscaler that can make one more node."""
    file = tmp_path_factory.mktemp("autoscaler") / "cluster.yaml"
    file.write_text(json.dumps(AUTOSCALER))
    fake = {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"}
    with made_nodes(WORKERS="0", AUTOSCALER=str(file), **fake) as made:
        yield made


@pytest.fixture
async def served(nodes: Nodes, tmp_path: Path) -> AsyncIterator[ServedProcess]:
    host = ("--host", HEAD)
    async with started(
        tmp_path, CONFIG, *host, inside=nodes.inside(), **nodes.environment
    ) as service:
        yield service


async def test_a_slot_comes_with_a_node_of_its_own_and_goes_when_nobody_needs_it(
    nodes: Nodes, served: ServedProcess
) -> None:
    url = await served.url(240)
    async with AsyncExitStack() as stack:
        # Each asks one expert, and four are asked in a slot for two: some always wait.
        every = [
            await stack.enter_async_context(Clients(nodes, [url], (expert,))) for expert in EXPERTS
        ]
        began = time.monotonic()
        for clients in every:
            clients.begin(whole=2, streams=0)
        await served.says("slot-1 is asked for")
        asked_s = time.monotonic() - began
        await served.says("slot-1: engine process ready", within_s=240)
        up_s = time.monotonic() - began
        async with asyncio.timeout(60):
            while not [a for clients in every for a in clients.asked if a.slot == "slot-1"]:
                await asyncio.sleep(0.05)
        asked = [a for clients in every for a in await clients.end()]
        ended = time.monotonic()
        assert {a.how for a in asked} == {"answered"}
        await served.says("is given back")
        back_s = time.monotonic() - ended
        async with asyncio.timeout(60):
            while len(await wanted(every[0], url)) > 1:
                await asyncio.sleep(0.1)
        for clients, expert in zip(every, EXPERTS, strict=True):
            assert (await clients.one(url, expert)).how == "answered"
    print(
        f"asked for after {asked_s:.1f} s, up after {up_s:.1f} s, given back {back_s:.1f} s later"
    )


async def wanted(clients: Clients, url: str) -> list[str]:
    """The slots that there should be."""
    slots = (await clients.get(f"{url}/coterie/pool"))["slots"]
    return [slot["id"] for slot in slots if slot["wanted"]]
