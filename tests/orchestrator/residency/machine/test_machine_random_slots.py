"""Slots are cut off, found again with what they hold, and given back, among all other events."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from random_pool import NUMBER, Pool

from orchestrator.residency.machine.effects import Effect, Unload, Vacant
from orchestrator.residency.machine.state import EngineState, SlotState


class Unsteady(Pool):
    """A pool whose slots come and go."""

    @initialize()
    def begin_whole(self) -> None:
        self.beyond: dict[str, set[EngineState]] = {}
        """What slots hold that nobody reaches."""
        self.ending = False

    def up(self) -> list[SlotState]:
        return [slot for slot in self.slots if slot.up]

    def apply(self, effects: list[Effect]) -> None:
        super().apply(effects)
        for slot in (effect.slot for effect in effects if isinstance(effect, Vacant)):
            assert not slot.up
            assert not slot.closing
            assert not self.held[slot.id]
            self.sleeping[slot.id].clear()
            if self.ending:
                self.apply(self.machine.slot_up(slot, 0.0))

    @precondition(lambda self: self.up())
    @rule(number=NUMBER)
    def cut(self, number: int) -> None:
        """What has begun in the slot goes on to its end there, whatever anybody hears of it."""
        slot = self.up()[number % len(self.up())]
        held = set(self.held[slot.id])
        pending = self.pending.get(slot.id)
        if isinstance(pending, Unload):
            held.remove(pending.replica.engine)
        failures = [queue.state.failures for queue in self.queues]
        tell, self.machine.slot_lost = self.machine.slot_lost, self._cut  # type: ignore[assignment]
        self.die(self.slots.index(slot))
        self.machine.slot_lost = tell  # type: ignore[method-assign]
        assert failures == [queue.state.failures for queue in self.queues]
        self.beyond[slot.id] = held

    def _cut(self, slot: SlotState, now: float) -> list[Effect]:
        return type(self.machine).slot_lost(self.machine, slot, now, cut=True)

    @precondition(lambda self: any(not slot.up for slot in self.slots if slot.id in self.beyond))
    @rule(number=NUMBER)
    def reach_again(self, number: int) -> None:
        slots = [slot for slot in self.slots if slot.id in self.beyond and not slot.up]
        slot = slots[number % len(slots)]
        known = {queue.state for queue in self.queues if not queue.state.retired}
        effects: list[Effect] = []
        for engine in self.beyond.pop(slot.id) & known:
            self.held[slot.id].add(engine)
            effects += self.machine.adopt(slot, engine, self.now)
        self.told(effects + self.machine.slot_up(slot, slot.base_gb))

    @rule(number=NUMBER, base_gb=st.sampled_from([0.0, 1.0]))
    def come_back(self, number: int, base_gb: float) -> None:
        """With a process that is new."""
        slot = self.slots[number % len(self.slots)]
        if not slot.up:
            self.beyond.pop(slot.id, None)
            self.told(self.machine.slot_up(slot, base_gb))

    @rule(number=NUMBER)
    def give_back(self, number: int) -> None:
        self.machine.vacate(self.slots[number % len(self.slots)])
        self.told([])

    def teardown(self) -> None:
        self.ending = True
        super().teardown()


Unsteady.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestUnsteady = Unsteady.TestCase
