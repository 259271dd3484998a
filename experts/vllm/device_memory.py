"""What the engines of a slot hold of its GPU; the GPU shows what all its users hold."""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import psutil

GIB = float(1 << 30)


class Driver(Protocol):
    """What the GPU's driver tells of one device. Bytes throughout."""

    def used(self) -> int:
        """Used by anybody."""
        ...

    def total(self) -> int:
        """What there is."""
        ...

    def by_process(self) -> Mapping[int, int]:
        """Used by each process, by its number; empty where the driver does not say."""
        ...


class DeviceMemory:
    """The memory that the processes of one slot hold on one device.

    By process where the driver knows our processes. It does not where they have numbers of their
    own (in most containers): there, what was used before the first engine came is taken off.
    """

    def __init__(self, driver: Driver, ours: Callable[[], Iterable[int]] | None = None) -> None:
        """`ours` tells the numbers of our processes; None: this one and its descendants."""
        self._driver = driver
        self._ours = ours or _family
        self._before = driver.used()

    def used_gb(self) -> float:
        """What our engines hold now, in GiB."""
        by_process = self._driver.by_process()
        found = [by_process[number] for number in self._ours() if number in by_process]
        return (sum(found) if found else max(self._driver.used() - self._before, 0)) / GIB

    def share_of(self, memory_gb: float) -> float:
        """`memory_gb` as a share of the device, as vLLM's `gpu_memory_utilization` wants it."""
        return min(max(memory_gb * GIB / self._driver.total(), 0.01), 0.98)


class Nvml:
    """The driver of NVIDIA GPUs, through its management library; takes no context on the device."""

    def __init__(self, index: int = 0) -> None:
        """`index` counts the devices that this process may use.

        Raises the library's error where there is no such device.
        """
        from vllm.third_party import pynvml  # noqa: PLC0415  # Only where there is a GPU.

        self._nvml = pynvml
        pynvml.nvmlInit()
        visible = [one for one in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if one]
        name = visible[index] if index < len(visible) else str(index)
        self._device = (
            pynvml.nvmlDeviceGetHandleByIndex(int(name))
            if name.isdigit()
            else pynvml.nvmlDeviceGetHandleByUUID(name)
        )

    def used(self) -> int:
        return int(self._nvml.nvmlDeviceGetMemoryInfo(self._device).used)

    def total(self) -> int:
        return int(self._nvml.nvmlDeviceGetMemoryInfo(self._device).total)

    def by_process(self) -> Mapping[int, int]:
        try:
            running = self._nvml.nvmlDeviceGetComputeRunningProcesses(self._device)
        except self._nvml.NVMLError:
            return {}
        return {one.pid: int(one.usedGpuMemory) for one in running if one.usedGpuMemory}


def _family() -> list[int]:
    this = psutil.Process()
    return [this.pid, *(child.pid for child in this.children(recursive=True))]
