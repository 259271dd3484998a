"""What engines are started with, by what their configuration leaves open."""

from pathlib import Path
from typing import Any

from experts.footprint.device import Device
from experts.footprint.specs import SlotRoom, completed, footprint
from experts.spec import TorchSpec, VllmSpec

ZOO = Path(__file__).parents[3] / "experts" / "zoo" / "weights"
CPU = SlotRoom(4.0, 0.125, Device("cpu", bf16=False))


def started(spec: VllmSpec, room: SlotRoom = CPU) -> dict[str, Any]:
    found = footprint("a", {"a": spec}, {}, room)
    return completed(spec.engine_args, found, room.device)


def test_what_is_left_open_is_derived() -> None:
    args = started(VllmSpec(type="vllm", model=str(ZOO / "logic")))
    assert args["dtype"] == "float32"
    assert args["max_model_len"] == "auto"
    assert args["kv_cache_memory_bytes"] == 64 << 20


def test_what_is_said_stays() -> None:
    said = {"dtype": "float16", "max_model_len": 64, "kv_cache_memory_bytes": 1 << 20}
    assert started(VllmSpec(type="vllm", model="org/model", engine_args=said)) == said


def test_a_gpu_by_its_share_leaves_the_cache_to_vllm() -> None:
    spec = VllmSpec(type="vllm", model="org/model", engine_args={"gpu_memory_utilization": 0.5})
    assert "kv_cache_memory_bytes" not in started(spec, SlotRoom(70, 0.125, Device("cuda")))


def test_a_slot_of_two_gpus_splits_every_engine() -> None:
    spec = VllmSpec(type="vllm", model="org/model")
    args = started(spec, SlotRoom(70, 0.125, Device("cuda", gpus=2)))
    assert args["tensor_parallel_size"] == 2


def test_an_engine_in_torch_takes_its_members_weights_in_float32() -> None:
    spec = TorchSpec(type="torch", model=str(ZOO / "thoughts"))
    found = footprint("a", {"a": spec}, {}, CPU)
    assert found.dtype == "float32"
    assert found.weights_gb > 0
    assert found.kv_gb == 0
