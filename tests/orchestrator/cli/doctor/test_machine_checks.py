"""What follows from the readings of machines that are right, and of those that are broken."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.doctor.finding import Level
from orchestrator.cli.doctor.machine import Disk, Gpu, Machine
from orchestrator.cli.doctor.machine_checks import (
    Needs,
    check_gpus,
    check_machine,
    check_memory,
    check_open_files,
)

SOUND = Machine(
    python=(3, 11, 7),
    python_home="/usr",
    python_is_optimized=True,
    cpus=8,
    memory_gb=64,
    free_gb=60,
    shared_gb=32,
    disks=(Disk("/tmp", 100, 200),),
    open_files=20_000,
    most_open_files=20_000,
    gpus=(),
    clock_is_set=True,
)
NEEDS = Needs(slots=2, cpus=2, memory_gb=8, connections=5120)
H200 = Gpu("NVIDIA H200", 140, 1, "580.65.06")
ON_GPU = Needs(slots=1, gpus=1, memory_gb=120, sleeping_gb=32, connections=5120)


def _said(machine: Machine, needs: Needs) -> dict[str, tuple[Level, str, str]]:
    return {f.about: (f.level, f.found, f.advice) for f in check_machine(machine, needs)}


def test_a_sound_machine_has_nothing_to_be_said_of() -> None:
    assert {level for level, _, _ in _said(SOUND, NEEDS).values()} == {Level.OK}


@pytest.mark.parametrize(
    ("change", "about", "level", "words"),
    [
        ({"python": (3, 10, 2)}, "python", Level.FAULT, "Install Python 3.11"),
        ({"python": (3, 12, 0)}, "python", Level.WARNING, "Use Python 3.11"),
        (
            {"python_is_optimized": False},
            "python build",
            Level.WARNING,
            "make setup PYTHON=/usr/bin/python3.11",
        ),
        ({"cpus": 3}, "cpus", Level.WARNING, "slots.cpus"),
        ({"memory_gb": 16}, "memory", Level.FAULT, "slots.count"),
        ({"free_gb": 15}, "memory", Level.WARNING, "End what else"),
        ({"shared_gb": None}, "/dev/shm", Level.WARNING, "tmpfs"),
        ({"shared_gb": 0.0625}, "/dev/shm", Level.WARNING, "--shm-size"),
        ({"disks": (Disk("/tmp", 1.5, 9),)}, "disk", Level.FAULT, "Make room"),
        ({"disks": (Disk("/tmp", 40, 1000),)}, "disk", Level.WARNING, "95 %"),
        ({"open_files": 1024}, "open files", Level.WARNING, "`ulimit -n 5632`"),
        (
            {"open_files": 1024, "most_open_files": 4096},
            "open files",
            Level.WARNING,
            "server.max_in_flight",
        ),
        ({"clock_is_set": False}, "clock", Level.WARNING, "chrony"),
    ],
)
def test_what_is_broken_says_what_to_do(
    change: dict[str, Any], about: str, level: Level, words: str
) -> None:
    said = _said(replace(SOUND, **change), NEEDS)
    assert said[about][0] is level
    assert words in said[about][2]
    assert {name for name, (got, _, _) in said.items() if got is not Level.OK} == {about}


def test_one_slot_asks_alone() -> None:
    many = replace(NEEDS, slots=1, cpus=64)
    assert "; 1 slot asks for 64" in _said(SOUND, many)["cpus"][1]
    assert "; 2 slots ask for 128" in _said(SOUND, replace(many, slots=2))["cpus"][1]


def test_a_slow_build_is_named_with_what_it_costs() -> None:
    slow = replace(SOUND, python_home="/opt/python", python_is_optimized=False)
    found = _said(slow, NEEDS)["python build"][1]
    assert found.startswith("/opt/python was built without optimizations")
    assert "1.4 times the processor time" in found


@pytest.mark.parametrize(
    ("needs", "shared_gb", "level"),
    [
        (replace(NEEDS, joins_cluster=True), 19.3, Level.OK),  # 30 % of 64 GB.
        (replace(NEEDS, joins_cluster=True), 19.1, Level.WARNING),
        (NEEDS, 0.08, Level.OK),  # Our own Ray takes no more.
        (replace(NEEDS, spread=True), 0.9, Level.FAULT),
        (replace(NEEDS, spread=True), 1.0, Level.OK),
    ],
)
def test_shared_memory_is_measured_by_who_uses_it(
    needs: Needs, shared_gb: float, level: Level
) -> None:
    assert _said(replace(SOUND, shared_gb=shared_gb), needs)["/dev/shm"][0] is level


@pytest.mark.parametrize(
    ("gpus", "trouble", "needs", "cuda", "level", "words"),
    [
        ((H200,), "", ON_GPU, 13, Level.OK, "139.0 of 140.0 GB free"),
        ((), "", NEEDS, None, Level.OK, "none is asked for"),
        ((), "", ON_GPU, 13, Level.FAULT, "slots ask for 1"),
        ((), "nvidia-smi fails: no driver", ON_GPU, 13, Level.FAULT, "no driver"),
        ((replace(H200, driver="570.1"),), "", ON_GPU, 13, Level.FAULT, "CUDA 13 needs driver 580"),
        ((replace(H200, driver="570.1"),), "", ON_GPU, 12, Level.OK, "driver 570.1"),
        ((replace(H200, used_gb=30),), "", ON_GPU, 13, Level.WARNING, "slots ask for 120"),
        ((replace(H200, memory_gb=80),), "", ON_GPU, 13, Level.FAULT, "slots ask for 120"),
        # Two slots share it.
        ((H200,), "", replace(ON_GPU, slots=2, gpus=0.5), 13, Level.FAULT, "slots ask for 240"),
        ((H200,), "", replace(ON_GPU, slots=2, gpus=0.5, memory_gb=60), 13, Level.OK, "H200"),
    ],
)
def test_gpus(
    gpus: tuple[Gpu, ...], trouble: str, needs: Needs, cuda: int | None, level: Level, words: str
) -> None:
    machine = replace(SOUND, gpus=gpus, gpu_trouble=trouble)
    (found,) = [f for f in check_gpus(machine, needs, cuda) if words in f.found]
    assert found.level is level


def test_what_sleeps_counts_against_the_memory_of_a_machine_with_gpus() -> None:
    machine = replace(SOUND, gpus=(H200,))
    assert check_memory(machine, ON_GPU).level is Level.OK
    found = check_memory(machine, replace(ON_GPU, sleeping_gb=60))
    assert (found.level, "slots.host_memory_gb" in found.found) == (Level.FAULT, True)


amounts = st.floats(min_value=0.1, max_value=4096)


@given(memory=amounts, more=amounts, slots=st.integers(1, 64), each=amounts)
def test_more_memory_never_makes_it_worse(
    memory: float, more: float, slots: int, each: float
) -> None:
    order = [Level.FAULT, Level.WARNING, Level.OK]
    needs = Needs(slots=slots, memory_gb=each)
    before, after = (
        check_memory(replace(SOUND, memory_gb=gb, free_gb=gb), needs).level
        for gb in (memory, memory + more)
    )
    assert order.index(after) >= order.index(before)


@given(allowed=st.integers(0, 10**6), most=st.integers(0, 10**6), wanted=st.integers(0, 10**6))
def test_what_is_advised_of_open_files_is_enough(allowed: int, most: int, wanted: int) -> None:
    machine = replace(SOUND, open_files=allowed, most_open_files=max(allowed, most))
    needs = Needs(connections=wanted)
    found = check_open_files(machine, needs)
    if found.level is Level.OK:
        assert allowed > wanted
        return
    assert not found.advice.startswith("`ulimit") or machine.most_open_files > wanted
    number = wanted + 512
    assert str(number) in found.advice
    assert check_open_files(replace(machine, open_files=number), needs).level is Level.OK
