"""Gateways that share a pool: loans, turns, and what happens when one side goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from shared_rig import SIZES, SharedRig, shared_config

from experts.errors import ExpertUnavailable, ServiceError
from orchestrator.residency.shared.gateway import Running


@pytest.fixture
async def rig() -> AsyncIterator[SharedRig]:
    made = SharedRig(shared_config(), SIZES)
    made.begin()
    yield made
    await made.close()


async def test_a_request_waits_for_a_load_and_the_next_begins_without_a_word(
    rig: SharedRig,
) -> None:
    gateway = await rig.join()
    place = await rig.acquire(gateway, "a")
    assert place.url == "http://slot-0.test/e/a"
    await rig.until(lambda: gateway._loans.where("a") is not None)
    calls = rig.links[0].calls
    places = [await rig.acquire(gateway, "a") for _ in range(4)]
    assert rig.links[0].calls == calls
    assert all(isinstance(one.ticket, Running) and one.ticket.borrowed for one in places)
    for one in (place, *places):
        gateway.release(one)


async def test_all_gateways_together_stay_within_the_limit(rig: SharedRig) -> None:
    first, second = await rig.join(), await rig.join()
    tasks = [rig.acquiring(g, "a") for g in (first, second) for _ in range(12)]
    await rig.until(lambda: sum(task.done() for task in tasks) == 8)
    for _ in range(50):
        await asyncio.sleep(0.002)
    assert sum(task.done() for task in tasks) == 8
    done = 0
    while pending := [t for t in tasks if not t.done()]:
        ready = [t for t in tasks if t.done()][done]
        (first if tasks.index(ready) < 12 else second).release(ready.result())
        done += 1
        await rig.until(lambda p=pending: any(t.done() for t in p))
    assert rig.slots[0].loads == ["a"]


async def test_what_leaves_is_called_back_first(rig: SharedRig) -> None:
    first, second = await rig.join(), await rig.join()
    held = await rig.acquire(first, "a")
    await rig.until(lambda: second._loans.where("a") is not None)
    borrowed = await rig.acquire(second, "a")
    assert isinstance(borrowed.ticket, Running)
    assert borrowed.ticket.borrowed
    other = rig.acquiring(first, "b", 0.0)
    await rig.until(lambda: second._loans.where("a") is None)
    first.release(held)
    for _ in range(20):
        await asyncio.sleep(0.002)
    assert rig.slots[0].unloads == []
    second.release(borrowed)
    assert (await other).url.endswith("/e/b")
    assert rig.slots[0].unloads == ["a"]
    first.release(await other)


async def test_a_gateway_that_dies_leaves_nothing_behind(
    rig: SharedRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.residency.shared.controller.SILENCE_S", 0.05)
    monkeypatch.setattr("orchestrator.residency.shared.controller.LISTEN_S", 0.01)
    first, second = await rig.join(), await rig.join()
    await rig.acquire(first, "a")
    rig.links[0].cut = True
    assert (await rig.acquire(second, "b", 0.0)).url.endswith("/e/b")


async def test_a_controller_that_dies_loses_nothing(
    rig: SharedRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.residency.shared.controller.RETURN_S", 0.05)
    monkeypatch.setattr("orchestrator.residency.shared.gateway.RETRY_S", 0.01)
    gateway = await rig.join()
    held = await rig.acquire(gateway, "a")
    await rig.until(lambda: gateway._loans.where("a") is not None)
    rig.kill()
    on_loan = await rig.acquire(gateway, "a")
    waits = rig.acquiring(gateway, "b", 0.0)
    await asyncio.sleep(0)
    rig.begin()
    for _ in range(100):
        await asyncio.sleep(0.002)
    assert rig.slots[0].loads == ["a"]  # What runs there is known again, and ends first.
    gateway.release(held)
    gateway.release(on_loan)
    place = await waits
    assert rig.slots[0].loads == ["a", "b"]
    gateway.release(place)


async def test_a_gateway_with_another_configuration_is_refused(rig: SharedRig) -> None:
    await rig.join()
    gateway = rig.gateways[0]
    assert rig.controller is not None
    rig.controller._pool = "another pool"
    with pytest.raises(ServiceError, match="other slots"):
        await rig.join()
    rig.gateways.pop()
    rig.controller._pool = "a pool"
    gateway.release(await rig.acquire(gateway, "a"))


async def test_what_cannot_be_loaded_is_refused_with_its_reason(rig: SharedRig) -> None:
    gateway = await rig.join()
    rig.slots[0].load_errors["a"] = [RuntimeError("no such file")]
    with pytest.raises(ExpertUnavailable, match="no such file") as raised:
        await rig.acquire(gateway, "a")
    assert raised.value.retry_after_s
    await rig.until(lambda: "a" in gateway.view.failed())


async def test_who_leaves_while_it_waits_is_forgotten(rig: SharedRig) -> None:
    gateway = await rig.join()
    rig.slots[0].hold("a")
    waits = rig.acquiring(gateway, "a")
    await rig.slots[0].saw("load a")
    waits.cancel()
    assert rig.controller is not None
    session = next(iter(rig.controller._sessions.values()))
    await rig.until(lambda: not session.requests)
    rig.slots[0].release("a")
    gateway.release(await rig.acquire(gateway, "a"))


async def test_gateways_want_no_answers_of_a_slot_that_the_controller_does_not_reach(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out: set[str] = set()

    async def answers(url: str, within_s: float) -> bool:
        await asyncio.sleep(0)
        return url not in out

    monkeypatch.setattr("orchestrator.residency.upkeep.upkeep.answers", answers)
    rig = SharedRig(shared_config(count=2, probe_s=0.002), SIZES)
    for slot in rig.slots:
        slot.token = "secret"
    # Of the controller's client, which asks the slots for nothing but their health.
    monkeypatch.setattr(rig.client, "break_off", lambda url: None, raising=False)
    rig.begin()
    try:
        gateway = await rig.join()
        held = await rig.acquire(gateway, "a")
        cut = next(slot for slot in rig.slots if slot.id == held.slot)
        out.add(cut.url)
        await rig.until(lambda: rig.broken_off == [cut.url])
        assert await gateway.suspect("a", cut.id)
        gateway.release(held)
        other = await rig.acquire(gateway, "a")
        assert other.slot != cut.id
        gateway.release(other)
    finally:
        await rig.close()
