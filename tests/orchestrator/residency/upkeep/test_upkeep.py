"""Slots that are cut off, missing at the start, asked for when many wait, and given back."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from experts.errors import ServiceError
from orchestrator.residency.slot import StartTooSlow

WAIT_S = 5.0
PINNED = {"type": "vllm", "model": "org/a", "memory_gb": 3, "pin": True}
"""It takes most of a slot, and does not leave it for others."""


class Cables:
    """Which machines answer: all but those that are unplugged."""

    def __init__(self) -> None:
        self.out: set[str] = set()

    async def answers(self, url: str, within_s: float) -> bool:
        await asyncio.sleep(0)
        return url not in self.out


@pytest.fixture
def cables(monkeypatch: pytest.MonkeyPatch) -> Cables:
    made = Cables()
    monkeypatch.setattr("orchestrator.residency.upkeep.upkeep.answers", made.answers)
    return made


@pytest.fixture
async def make(make_rig: Any) -> Callable[..., Any]:
    """A rig whose slots are on other machines."""

    async def made(experts: dict[str, Any], **keys: Any) -> Any:
        rig = await make_rig(experts, start=False, probe_s=0.002, memory_gb=4, **keys)
        for slot in rig.slots:
            slot.token = "secret"
        return rig

    return made


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.001)


def shown(rig: Any, number: int) -> dict[str, Any]:
    slot: dict[str, Any] = rig.pool.snapshot()["slots"][number]
    return slot


# Cut off.


async def test_what_a_cut_slot_held_is_loaded_elsewhere_and_used_again_when_it_is_back(
    make: Any, cables: Cables
) -> None:
    rig = await make({"a": 3, "b": 3}, count=2)
    await rig.pool.start()
    first = (await rig.use("a")).slot
    cut = next(slot for slot in rig.slots if slot.id == first)
    other = next(slot for slot in rig.slots if slot.id != first)
    lease = await rig.lease("a")
    assert lease.slot == first

    cables.out.add(cut.url)
    number = rig.slots.index(cut)
    await until(lambda: not shown(rig, number)["up"])
    assert rig.client.broken_off == (cut.url,)
    assert (shown(rig, number)["reached"], shown(rig, number)["cuts"]) == (False, 1)
    assert await rig.pool.suspect(lease)
    lease.release()
    assert (await rig.use("a")).slot == other.id
    assert other.loads == ["a"]

    cut.outlives = True
    cables.out.clear()
    await until(lambda: shown(rig, number)["up"])
    assert shown(rig, number)["residents"] == ["a"]
    assert shown(rig, number)["restarts"] == 0
    assert cut.loads == ["a"]
    leases = [await rig.lease("a") for _ in range(2)]
    assert {one.slot for one in leases} == {cut.id, other.id}
    for one in leases:
        one.release()


async def test_what_waits_for_a_load_that_is_cut_off_goes_elsewhere(
    make: Any, cables: Cables
) -> None:
    rig = await make({"a": 3}, count=2)
    await rig.pool.start()
    for slot in rig.slots:
        slot.hold("a")
    waiter = rig.using("a")
    await until(lambda: any(slot.loads for slot in rig.slots))
    cut = next(slot for slot in rig.slots if slot.loads)
    other = next(slot for slot in rig.slots if slot is not cut)
    other.release("a")
    cables.out.add(cut.url)
    assert (await rig.done(waiter)).slot == other.id
    assert rig.engine("a")["failures"] == 0
    cut.release("a")


async def test_an_engine_that_is_configured_no_more_leaves_a_slot_that_is_back(
    make: Any, cables: Cables, make_config: Any
) -> None:
    rig = await make({"a": 3, "b": 3}, count=2)
    await rig.pool.start()
    first = (await rig.use("a")).slot
    cut = next(slot for slot in rig.slots if slot.id == first)
    cables.out.add(cut.url)
    number = rig.slots.index(cut)
    await until(lambda: not shown(rig, number)["up"])
    slots = rig.config.slots.model_dump()
    await rig.become(make_config({"b": 3}, slots=slots))
    cut.outlives = True
    cables.out.clear()
    await until(lambda: shown(rig, number)["up"])
    assert cut.unloads == ["a"]


async def test_a_slot_that_ray_gives_up_while_it_is_cut_off_starts_anew(
    make: Any, cables: Cables
) -> None:
    rig = await make({"a": 3})
    await rig.pool.start()
    await rig.use("a")
    cables.out.add(rig.slot.url)
    await until(lambda: not shown(rig, 0)["up"])
    rig.slot.die()
    await until(lambda: shown(rig, 0)["up"])
    assert (shown(rig, 0)["restarts"], shown(rig, 0)["cuts"]) == (1, 1)
    await rig.use("a")


async def test_a_request_that_finds_no_way_there_learns_it_though_ray_says_nothing(
    make: Any, cables: Cables, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = await make({"a": 3})
    await rig.pool.start()
    lease = await rig.lease("a")
    monkeypatch.setattr(rig.slot, "memory_gb", asyncio.Event().wait)
    cables.out.add(rig.slot.url)
    assert await rig.pool.suspect(lease)
    assert not shown(rig, 0)["up"]
    lease.release()
    assert rig.client.broken_off == (rig.slot.url,)


async def test_a_busy_slot_whose_machine_answers_is_not_taken_for_dead(
    make: Any, cables: Cables
) -> None:
    rig = await make({"a": 3})
    await rig.pool.start()
    rig.slot.hold("a")
    waiter = rig.using("a")
    await rig.slot.saw("load a")
    for _ in range(50):
        await asyncio.sleep(0.001)
    assert shown(rig, 0)["up"]
    rig.slot.release("a")
    await rig.done(waiter)


# Missing at the start.


async def test_a_service_starts_with_the_slots_that_there_are(make: Any, cables: Cables) -> None:
    rig = await make({"a": 3, "b": 3}, count=2, preload=True)
    rig.slots[1].has_place = False
    await rig.pool.start()
    assert rig.told("slot-1 waits for a node. The service starts without it.")
    assert [shown(rig, n)["up"] for n in (0, 1)] == [True, False]
    assert rig.residents()[0] == ["a"]
    rig.slots[1].has_place = True
    await until(lambda: rig.residents() == [["a"], ["b"]])


async def test_a_service_without_any_slot_does_not_start(make: Any, cables: Cables) -> None:
    rig = await make({"a": 3}, start_timeout_s=0.01)
    rig.slot.has_place = False
    with pytest.raises(ServiceError, match=r"No slot was started within 0.01 s: slot-0 waits"):
        await rig.pool.start()


async def test_a_slot_that_starts_too_slowly_says_who_else_does(make: Any, cables: Cables) -> None:
    rig = await make({"a": 3}, count=3)
    rig.slots[0].start_errors = [StartTooSlow("its process was still starting after 9 s")]
    for slot in rig.slots[1:]:
        slot.may_start.clear()
    with pytest.raises(ServiceError) as caught:
        await rig.pool.start()
    assert "still starting after 9 s, and so were slot-1, slot-2" in str(caught.value)
    assert "slots.start_timeout_s" in caught.value.hint


# More of them, and fewer.


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    monkeypatch.setattr("orchestrator.residency.upkeep.scaler.LOOK_S", 0.002)
    return {"grow_after_s": 0.01, "give_back_after_s": 0.05}


async def test_a_slot_is_asked_for_when_requests_wait_and_given_back_when_nobody_does(
    make: Any, cables: Cables, impatient: dict[str, float]
) -> None:
    rig = await make({"a": PINNED, "b": 3}, max_count=2, **impatient)
    await rig.pool.start()
    assert [shown(rig, n)["wanted"] for n in (0, 1)] == [True, False]
    held = await rig.lease("a")
    second = await rig.lease("b")  # There is no room beside the other one.
    assert (held.slot, second.slot) == ("slot-0", "slot-1")
    assert rig.told("slot-1 is asked for")
    held.release()
    second.release()
    await until(lambda: [shown(rig, n)["wanted"] for n in (0, 1)].count(True) == 1)
    await until(lambda: sum(slot.stopped for slot in rig.slots) == 1)
    assert rig.told("is given back")
    for expert in ("a", "b"):
        await rig.use(expert)


async def test_a_slot_that_is_given_back_lets_what_has_begun_end(
    make: Any, cables: Cables, impatient: dict[str, float]
) -> None:
    rig = await make({"a": PINNED, "b": 3}, max_count=2, **impatient)
    await rig.pool.start()
    held, second = await rig.lease("a"), await rig.lease("b")
    for _ in range(100):
        await asyncio.sleep(0.001)
    assert [shown(rig, n)["up"] for n in (0, 1)] == [True, True]
    for lease in (held, second):
        lease.release()


async def test_nothing_grows_where_there_is_no_more(
    make: Any, cables: Cables, impatient: dict[str, float]
) -> None:
    rig = await make({"a": 3, "b": 3}, **impatient)
    await rig.pool.start()
    held = await rig.lease("a")
    waiter = rig.using("b")
    for _ in range(50):
        await asyncio.sleep(0.001)
    assert len(rig.pool.snapshot()["slots"]) == 1
    held.release()
    await rig.done(waiter)
