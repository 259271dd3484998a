"""Two gateways over the slots of two workers: a cable is taken out, a gateway dies."""

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from asking import Asked, Clients
from nodes import ADDRESS, HEAD, Nodes, gateway, made_nodes, worker
from repository import ROOT
from service_process import ServedProcess, started

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

EXPERTS = ("arithmetic", "geography", "logic", "units")
NOTICED_S = 5.0
"""So soon a cut link is known."""
START_S = 300
"""Five nodes, two gateways and two slots start on this one machine."""
CONFIG: dict[str, Any] = {
    "experts": {
        name: {"type": "vllm", "model": str(ROOT / f"experts/zoo/weights/{name}"), "memory_gb": 1.5}
        for name in EXPERTS
    },
    "routers": {"any": {"type": "static", "expert": [*EXPERTS]}},
    "compositions": {"pool/auto": {"router": "any"}},
    # A slot holds two: when one is cut off, the other has to swap.
    "slots": {
        "count": 2,
        "memory_gb": 4.5,
        "start_timeout_s": START_S,
        "engine_args": {"dtype": "float32", "max_model_len": 256},
    },
    "ray": {"address": ADDRESS, "pool": "shared", "linger_s": 5},
    "store": f"redis://{HEAD}:6380/0",
}


@pytest.fixture(scope="module")
def nodes(redis_binary: str) -> Iterator[Nodes]:
    settings = {"WORKERS": "2", "GATEWAYS": "2", "HEAD_SLOTS": "0", "RAY_CHECKS": "10"}
    with made_nodes(**settings) as made:
        keeps_nothing = ("--save", "", "--appendonly", "no")
        listens = ("--bind", HEAD, "--port", "6380", "--protected-mode", "no")
        redis = subprocess.Popen(
            [*made.inside(), redis_binary, *listens, *keeps_nothing],
            env={**os.environ, **made.environment},
            stdout=subprocess.DEVNULL,
        )
        yield made
        redis.kill()
        redis.wait()


@pytest.fixture
async def gateways(nodes: Nodes, tmp_path: Path) -> AsyncIterator[list[ServedProcess]]:
    async with AsyncExitStack() as stack:
        made = []
        for number in (1, 2):
            folder = tmp_path / f"gateway-{number}"
            folder.mkdir()
            host = ("--host", gateway(number))
            inside = nodes.inside(f"gateway-{number}")
            service = started(folder, CONFIG, *host, inside=inside, **nodes.environment)
            made.append(await stack.enter_async_context(service))
        yield made


async def down(clients: Clients, url: str) -> list[str]:
    """The slots that a gateway knows to be down."""
    found: list[str] = (await clients.get(f"{url}/health/readiness"))["slots_down"]
    return found


async def until_down(clients: Clients, url: str, slots: list[str], within_s: float) -> float:
    """Seconds until these are."""
    began = time.monotonic()
    async with asyncio.timeout(within_s):
        while await down(clients, url) != slots:
            await asyncio.sleep(0.05)
    return time.monotonic() - began


async def slots_of(clients: Clients, url: str) -> dict[str, dict[str, Any]]:
    """By the node that each is on."""
    return {slot["node"]: slot for slot in (await clients.get(f"{url}/coterie/pool"))["slots"]}


async def slot_on(clients: Clients, url: str, node: str) -> dict[str, Any]:
    """The slot that is, or was last, on a node."""
    return (await slots_of(clients, url))[node]


async def both_full(clients: Clients, url: str) -> dict[str, dict[str, Any]]:
    """The slots, each on a worker, and each with the two experts that fit."""
    async with asyncio.timeout(60):
        while True:
            slots = await slots_of(clients, url)
            held = {node: len(slot["residents"]) for node, slot in slots.items()}
            if held == {worker(1): 2, worker(2): 2}:
                return slots


def first_after(asked: list[Asked], began: float, slot: str, experts: list[str]) -> float:
    """Seconds until one of the experts had answered in a slot."""
    found = [a.ended for a in asked if a.slot == slot and a.expert in experts and a.ended > began]
    return min(found) - began


async def test_what_the_guide_promises_of_a_cut_link_and_a_dead_gateway(
    nodes: Nodes, gateways: list[ServedProcess]
) -> None:
    urls = [await service.url(START_S) for service in gateways]
    async with Clients(nodes, list(urls), EXPERTS) as clients:
        await until_down(clients, urls[0], [], 60)
        for url in urls:
            for model in (*EXPERTS, "pool/auto"):
                assert (await clients.one(url, model)).how == "answered"
        before = await both_full(clients, urls[0])
        await a_cable_is_out_for_seconds(nodes, clients, urls, before)
        await a_gateway_dies(nodes, clients, urls)
        await a_cable_is_out_until_ray_gives_up(nodes, clients, urls[1])


async def a_cable_is_out_for_seconds(
    nodes: Nodes, clients: Clients, urls: list[str], before: dict[str, dict[str, Any]]
) -> None:
    cut, other = before[worker(2)], before[worker(1)]
    clients.begin(whole=6, streams=4)
    await until_down(clients, urls[0], [], NOTICED_S)
    began = time.monotonic()
    nodes.do("unplug", "worker-2")
    noticed_s = [await until_down(clients, url, [cut["id"]], NOTICED_S) for url in urls]

    def moved(one: Asked, since: float) -> bool:
        return one.expert in cut["residents"] and one.slot == other["id"] and one.began > since

    async with asyncio.timeout(60):
        while not any(moved(a, began) for a in clients.asked):
            await asyncio.sleep(0.05)
    plugged = time.monotonic()
    nodes.do("plug", "worker-2")
    back_s = await until_down(clients, urls[0], [], 60)
    async with asyncio.timeout(60):
        while not [a for a in clients.asked if a.slot == cut["id"] and a.began > plugged]:
            await asyncio.sleep(0.05)
    asked = await clients.end()
    elsewhere_s = first_after(asked, began, other["id"], cut["residents"])
    again_s = first_after(asked, plugged, cut["id"], [*EXPERTS])
    longest_s = max(a.ended - a.began for a in asked if a.began < plugged)
    print(
        f"noticed after {noticed_s[0]:.1f} s, first answer from elsewhere after {elsewhere_s:.1f} s"
        f" (longest request {longest_s:.1f} s), back {back_s:.1f} s after the cable,"
        f" first answer from there after {again_s:.1f} s"
    )
    assert {a.how for a in asked} <= {"answered", "error event"}
    torn = [a for a in asked if a.how == "error event"]
    assert len(torn) <= 4  # The streams that had begun: no more than there are clients of streams.
    assert all(a.began < began + NOTICED_S for a in torn)
    after = await slot_on(clients, urls[0], worker(2))
    assert (after["id"], after["restarts"], after["cuts"]) == (cut["id"], 0, 1)


async def a_gateway_dies(nodes: Nodes, clients: Clients, urls: list[str]) -> None:
    clients.begin(whole=4, streams=2)
    nodes.do("kill", "gateway-1")
    killed = time.monotonic()
    clients.urls = urls[1:]
    async with asyncio.timeout(60):
        while not [a for a in clients.asked if a.began > killed + 2]:
            await asyncio.sleep(0.05)
    asked = await clients.end()
    ours = [a for a in asked if a.began > killed]
    longest_s = max(a.ended - a.began for a in ours)
    print(f"gateway killed: the longest request at the other one took {longest_s:.1f} s")
    assert {a.how for a in ours} == {"answered"}
    assert await down(clients, urls[1]) == []


async def a_cable_is_out_until_ray_gives_up(nodes: Nodes, clients: Clients, url: str) -> None:
    """Then Ray ends what is there, and the node has to join again."""
    cut = await slot_on(clients, url, worker(1))
    began = time.monotonic()
    nodes.do("unplug", "worker-1")
    await until_down(clients, url, [cut["id"]], NOTICED_S)
    async with asyncio.timeout(60):
        while (await slot_on(clients, url, worker(1)))["restarts"] == cut["restarts"]:
            await asyncio.sleep(0.2)
    given_up_s = time.monotonic() - began
    nodes.do("kill", "worker-1")
    nodes.do("join", "worker-1")
    joined_s = await until_down(clients, url, [], 120)
    print(f"Ray gave the node up after {given_up_s:.1f} s; used {joined_s:.1f} s after it joined")
    for expert in EXPERTS:
        assert (await clients.one(url, expert)).how == "answered"
    assert (await slot_on(clients, url, worker(1)))["id"] == cut["id"]
