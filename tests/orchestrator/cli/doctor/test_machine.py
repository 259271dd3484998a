"""What is read of a machine: of this one, and of what nvidia-smi prints on others."""

import os
import sys
from pathlib import Path

import pytest

from orchestrator.cli.doctor.interpreter import lacking
from orchestrator.cli.doctor.machine import Gpu, gpus_of, read_gpus, read_machine

PRINTED = """NVIDIA H200, 143771, 1203, 580.65.06
NVIDIA H200, 143771, [N/A], 580.65.06
"""


def test_this_machine_is_read(tmp_path: Path) -> None:
    machine = read_machine((tmp_path / "not" / "yet",))
    assert machine.python_home == sys.base_prefix
    assert machine.python_is_optimized == ("optimizations" not in lacking())
    assert machine.cpus == len(os.sched_getaffinity(0))
    assert 0 < machine.free_gb <= machine.memory_gb
    assert machine.disks
    assert all(0 <= disk.free_gb <= disk.total_gb for disk in machine.disks)
    assert machine.open_files <= machine.most_open_files


def test_the_lines_of_nvidia_smi() -> None:
    first, second = gpus_of(PRINTED)
    assert first == Gpu("NVIDIA H200", 143771 / 1024, 1203 / 1024, "580.65.06")
    assert second.used_gb == 0


@pytest.mark.parametrize(
    ("script", "trouble"),
    [
        ("echo 'NVIDIA L4, 23034, 10, 575.1'", ""),
        ("echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18", "mismatch"),
        ("exit 9", "exit code 9"),
    ],
)
def test_nvidia_smi_that_fails_says_why(
    script: str, trouble: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    gpus, said = read_gpus()
    assert trouble in said
    assert bool(said) == bool(trouble)
    assert [gpu.name for gpu in gpus] == ([] if trouble else ["NVIDIA L4"])
