"""What a slot counts as taken, and what it could hold."""

from orchestrator.residency.machine.state import (
    EngineState,
    Phase,
    SlotState,
    add_replica,
    remove_replica,
)


def _slot(*phases: Phase) -> SlotState:
    """Engines of 1, 2, 3 GB and so on, in a slot of 8 GB whose process takes one."""
    slot = SlotState("slot-0", 8.0, base_gb=1.0)
    for number, phase in enumerate(phases, start=1):
        add_replica(EngineState(f"e{number}", float(number)), slot).phase = phase
    slot.recount()
    return slot


def test_what_loads_is_reserved_and_the_rest_is_used() -> None:
    slot = _slot(Phase.LOADING, Phase.READY)
    assert (slot.used_gb, slot.reserved_gb, slot.free_gb) == (3.0, 1.0, 4.0)


def test_a_load_takes_memory_when_those_before_it_have_left() -> None:
    slot = _slot(Phase.LOADING, Phase.READY, Phase.DRAINING)
    assert (slot.used_gb, slot.reserved_gb) == (6.0, 0.0)
    remove_replica(slot.replicas[2])
    slot.recount()
    assert (slot.used_gb, slot.reserved_gb) == (3.0, 1.0)


def test_only_pinned_engines_keep_others_out_for_good() -> None:
    slot = _slot(Phase.READY, Phase.READY)
    new = EngineState("new", 7.0)
    assert slot.could_hold(new)
    slot.replicas[0].engine.pinned = True
    assert not slot.could_hold(new)
    assert slot.could_hold(slot.replicas[0].engine)


def test_a_replica_is_removed_once() -> None:
    slot = _slot(Phase.READY)
    replica = slot.replicas[0]
    for _ in range(2):
        remove_replica(replica)
    assert slot.replicas == replica.engine.replicas == []


def test_the_arrival_rate_forgets() -> None:
    engine = EngineState("a", 1.0)
    assert engine.rate(0.0, 10.0) == 0.0
    for at in range(100):
        engine.arrived(float(at), 10.0)
    assert 0.9 < engine.rate(99.0, 10.0) < 1.1
    assert engine.rate(199.0, 10.0) < 0.001
