"""Gateways, a controller, slots: whatever dies and whoever asks, every request has its turn."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest
from shared_rig import SIZES, SharedRig, shared_config

from orchestrator.residency.scheduler import Place
from orchestrator.residency.shared.gateway import SharedScheduler

LIMIT = 6


class Watched:
    """A rig whose slots notice what leaves under a request that runs."""

    def __init__(self, rig: SharedRig) -> None:
        self.rig = rig
        self.running: Counter[tuple[str, str]] = Counter()
        self.most = 0
        for slot in rig.slots:
            slot.unload = self._watching(slot)  # type: ignore[method-assign]

    def _watching(self, slot: Any) -> Any:
        unload = slot.unload

        async def watched(engine: str) -> float:
            assert not self.running[slot.id, engine], f"{engine} leaves while it answers"
            seconds: float = await unload(engine)
            assert not self.running[slot.id, engine], f"{engine} was asked while it left"
            return seconds

        return watched

    async def one(self, gateway: SharedScheduler, expert: str, dice: random.Random) -> None:
        bound = dice.choice([None, 0.05, 10.0])
        place: Place = await gateway.acquire(expert, bound)
        key = place.slot, expert
        self.running[key] += 1
        self.most = max(self.most, self.running[key])
        try:
            for _ in range(dice.randrange(4)):
                await asyncio.sleep(0.0005)
        finally:
            self.running[key] -= 1
            gateway.release(place)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    controller = "orchestrator.residency.shared.controller"
    for name, seconds in (("LISTEN_S", 0.02), ("RETURN_S", 0.5), ("SEEN_EVERY_S", 0.01)):
        monkeypatch.setattr(f"{controller}.{name}", seconds)
    monkeypatch.setattr("orchestrator.residency.shared.gateway.RETRY_S", 0.005)


@pytest.mark.slow
@pytest.mark.parametrize("calm", [True, False])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.usefixtures("quick")
async def test_every_request_has_its_turn(seed: int, calm: bool) -> None:
    """Clients leave; unless it is calm, the controller dies, and links break and mend.

    Until every gateway has said hello to a new controller, they may begin what they had borrowed
    of the old one, which is half of the limit.
    """
    dice = random.Random(seed)
    rig = SharedRig(shared_config(count=dice.choice([1, 2]), limit=LIMIT), SIZES)
    watched = Watched(rig)
    rig.begin()
    gateways = [await rig.join() for _ in range(dice.choice([1, 2, 3]))]
    tasks: list[asyncio.Task[None]] = []
    left = 0
    for step in range(400):
        expert = dice.choice("aaabbc")
        tasks.append(asyncio.create_task(watched.one(dice.choice(gateways), expert, dice)))
        if dice.random() < 0.05:
            dice.choice(tasks).cancel()
            left += 1
        if not calm and step % 80 == 40:
            # Who cannot come back in time would be taken for dead, as it should be.
            for link in rig.links:
                link.cut = False
            rig.kill()
            await asyncio.sleep(0.01)
            rig.begin()
        if not calm and dice.random() < 0.03:
            link = dice.choice(rig.links)
            link.cut = not link.cut
        if dice.random() < 0.3:
            await asyncio.sleep(dice.choice([0, 0.001, 0.005]))
    for link in rig.links:
        link.cut = False
    async with asyncio.timeout(20):
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    failed = [one for one in outcomes if isinstance(one, Exception)]
    assert failed == []
    assert sum(isinstance(one, asyncio.CancelledError) for one in outcomes) <= left
    assert 0 < watched.most <= (LIMIT if calm else LIMIT + LIMIT // 2)
    controller = rig.controller
    assert controller is not None
    await rig.until(lambda: not any(s.requests for s in controller._sessions.values()))
    busy = [r for s in controller._scheduler.view.slots() for r in s.state.replicas if r.in_use]
    assert busy == []
    await rig.close()
