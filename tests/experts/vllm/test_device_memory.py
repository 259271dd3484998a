"""What our engines hold of a GPU, whatever else uses it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from experts.vllm.device_memory import GIB, DeviceMemory


@dataclass
class ScriptedDriver:
    """A device with processes on it."""

    others_gb: float = 0.0
    ours_gb: dict[int, float] = field(default_factory=dict)
    tells: bool = True

    def used(self) -> int:
        return int((self.others_gb + sum(self.ours_gb.values())) * GIB)

    def total(self) -> int:
        return int(80 * GIB)

    def by_process(self) -> Mapping[int, int]:
        return {pid: int(gb * GIB) for pid, gb in self.ours_gb.items()} if self.tells else {}


def test_other_users_of_the_device_do_not_count() -> None:
    driver = ScriptedDriver(others_gb=30.0)
    memory = DeviceMemory(driver, lambda: [7, 8])
    driver.ours_gb = {7: 2.0, 8: 1.5}
    driver.others_gb = 50.0
    assert memory.used_gb() == pytest.approx(3.5)


def test_where_the_driver_does_not_know_our_processes_what_was_there_before_is_taken_off() -> None:
    driver = ScriptedDriver(others_gb=30.0, tells=False)
    memory = DeviceMemory(driver, lambda: [7])
    assert memory.used_gb() == 0.0
    driver.ours_gb = {4711: 2.0}  # The number that the host knows it by.
    assert memory.used_gb() == pytest.approx(2.0)
    driver.others_gb = 20.0
    assert memory.used_gb() == 0.0


def test_a_share_of_the_device_is_never_nothing_and_never_all() -> None:
    memory = DeviceMemory(ScriptedDriver())
    assert memory.share_of(8.0) == pytest.approx(0.1)
    assert memory.share_of(0.0) == 0.01
    assert memory.share_of(800.0) == 0.98
