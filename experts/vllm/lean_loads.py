"""Loads on CPU without what vLLM does again in each of them, though a process needs it once."""

from functools import wraps
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from vllm.model_executor.model_loader import base_loader
from vllm.platforms.cpu import CpuPlatform

FIRST_IMPORTED = (
    "vllm.v1.worker.cpu_worker",
    "vllm.models.deepseek_v4",
    "vllm.model_executor.layers.quantization.compressed_tensors.utils",
    "mistral_common.tokens.tokenizers.tekken",
    "transformers.modeling_layers",
)
"""What the first loads import."""


def import_early() -> None:
    """Import what the first loads would, before what is there is frozen for the collector."""
    for name in FIRST_IMPORTED:
        import_module(name)


def install() -> None:
    """Take it out of every load from now on; a second call changes nothing.

    For a model of a megabyte this was more than half of the load (docs/log-2.md).
    """
    _replace_kernels_once()
    _collect_no_garbage()


def _replace_kernels_once() -> None:
    # vLLM looks through all names of all modules for Triton's kernels, to put those for CPU in
    # their place. Modules that are imported later get what it has put there.
    replaced = CpuPlatform.register_triton_kernel_overrides
    if hasattr(replaced, "__wrapped__"):
        return
    done = False

    @wraps(replaced)
    def replace_once(_: type[CpuPlatform]) -> None:
        nonlocal done
        if not done:
            replaced()
            done = True

    CpuPlatform.register_triton_kernel_overrides = classmethod(replace_once)


def _collect_no_garbage() -> None:
    # It does so twice, for the allocator of a device. An engine's cycles go when it is dropped.
    base_loader.gc = SimpleNamespace(collect=_nothing)


def _nothing(*_: Any) -> int:
    return 0
