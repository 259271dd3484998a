"""What the policy makes of requests that are known to come: which loads wait, which begin early.

Two things are known before a request arrives: a panel that answers will ask its lead (`expected`),
and while a tagger reads a question, experts will be asked of which nobody knows yet who they are
(`undecided`). Pure.

- **Gathering.** Requests without an age bound are in no hurry, so a load that drives somebody out
  waits while more requests for the same engine are on their way. Else an engine would be loaded
  again and again for those that trickle in from the stage before.
- **Loading ahead.** Where nobody who waits could use the room, an expected engine is loaded. Once:
  not again before somebody has asked for it, whatever is announced and withdrawn meanwhile.
"""

import math
from collections.abc import Iterable, Sequence

from orchestrator.residency.machine.state import CHOICE, FIRST, EngineState, SlotState


def gathers(engine: EngineState) -> bool:
    """Whether more requests for it are on their way, and those that wait have time."""
    stage = engine.stage
    if engine.deadline < math.inf or stage == CHOICE:
        return False
    if engine.outlook.undecided:
        return True
    # First answers are all asked for at once; what comes after them is expected.
    return stage > FIRST and engine.unhurried > 0


def quiet(slots: Iterable[SlotState]) -> bool:
    """Whether nothing is under way by which more requests could come."""
    return not any(
        slot.up and (slot.in_transition or any(replica.in_use for replica in slot.replicas))
        for slot in slots
    )


def worth_loading_ahead(engines: Iterable[EngineState], now: float) -> list[EngineState]:
    """The engines that are expected and not there, the most expected first."""
    found = [
        engine
        for engine in engines
        if engine.expected
        and not engine.waiting
        and not engine.ahead
        and not engine.resident
        and engine.retry_at <= now
    ]
    return sorted(found, key=lambda engine: (-engine.expected, engine.name))


def has_room_to_spare(slot: SlotState, waiting: Sequence[EngineState]) -> bool:
    """Whether a load for nobody who waits is in nobody's way in the slot.

    `waiting` are the engines that requests wait for and nothing has been done for.
    """
    stands_still = slot.load_blocks and any(replica.in_use for replica in slot.replicas)
    return not stands_still and not any(slot.could_hold(engine) for engine in waiting)
