"""Slots that cannot hold what is pinned, or that the machine cannot hold."""

from dataclasses import replace
from typing import Any

import pytest
from config_files import HUB, problems_of
from hypothesis import given
from hypothesis import strategies as st

from experts.footprint.plan import Footprint
from experts.spec import VllmSpec
from orchestrator.config.model import load_config
from orchestrator.config.slot_checks import Machine, check_pins, room_gb, this_machine, warnings
from orchestrator.config.slots_section import SlotsConfig

PINNED = {**HUB, "pin": True, "memory_gb": 1}


def test_pinned_experts_that_no_slot_holds_together(write: Any) -> None:
    slots = {"memory_gb": 2, "gpus": 0}
    (problem,) = problems_of(write({"experts": {"a": PINNED, "b": PINNED}, "slots": slots}))
    assert problem == (
        "experts.b.pin: the pinned experts (a 1.00 GB, b 1.00 GB) cannot all stay in 1 slot with"
        " 1.20 GB for experts each; raise slots.memory_gb or slots.count, or pin fewer."
    )
    load_config(write({"experts": {"a": PINNED, "b": PINNED}, "slots": {**slots, "count": 2}}))
    load_config(write({"experts": {"a": PINNED, "b": {**PINNED, "pin": False}}, "slots": slots}))


@given(st.lists(st.floats(0.01, 3), max_size=8), st.integers(1, 4))
def test_whoever_fits_by_far_is_not_refused(sizes: list[float], count: int) -> None:
    slots = SlotsConfig(count=count, memory_gb=4, gpus=0)
    experts = {
        f"e{n}": VllmSpec(type="vllm", model="org/m", pin=True, memory_gb=gb)
        for n, gb in enumerate(sizes)
    }
    found = dict.fromkeys(experts, Footprint("float32", 0, 0, 0, 0))
    problems = list(check_pins(experts, slots, found))
    if sum(sizes) <= room_gb(slots):
        assert problems == []
    if sum(sizes) > count * room_gb(slots):
        assert len(problems) == 1


ENOUGH = Machine(memory_gb=64, gpus=8)


@pytest.mark.parametrize(
    ("slots", "machine", "said"),
    [
        (SlotsConfig(gpus=2, count=2), replace(ENOUGH, gpus=1), "slots.gpus: 4 in all, and"),
        (SlotsConfig(gpus=0), replace(ENOUGH, memory_gb=2), "slots.memory_gb: 4 GB in all"),
    ],
)
def test_what_this_machine_lacks_may_be_on_another(
    slots: SlotsConfig, machine: Machine, said: str
) -> None:
    (warning,) = warnings(slots, machine)
    assert warning.startswith(said)
    assert list(warnings(slots, ENOUGH)) == []


def test_this_machine_has_some_memory() -> None:
    assert this_machine().memory_gb > 0
