"""What an engine is started with, and what it will take: derived before anything is loaded.

The rule, for a model whose configuration does not say otherwise:

- dtype: bfloat16 where the checkpoint is in bfloat16 and the CPU multiplies it in hardware,
  float32 otherwise; on a GPU the checkpoint's own.
- KV cache: room for `CONTEXTS` whole contexts, but at most `slots.kv_cache_share` of the slot and
  at least one whole context (and `SMALLEST_CACHE`).
- context: the model's own, or what fits into the cache that the slot can give.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experts.footprint.checkpoint import Weights
from experts.footprint.device import Device
from experts.footprint.shape import Shape
from experts.footprint.sizes import whole

GIB = float(1 << 30)
CONTEXTS = 8
"""Requests of the whole context at once; shorter ones are more."""
SMALLEST_CACHE = 64 << 20
BLOCK = 128
"""Tokens by which caches are counted, at most: vLLM's block on CPU."""
EMPTY_PROCESS_GB = 0.8
"""What a slot's process takes on a CPU before its first engine."""
CPU_ENGINE_GB = 0.05
"""An engine's tokenizer, input buffers, and what the allocator keeps of its warm-up."""
GPU_ENGINE_GB = 1.0
"""An engine's context on the device and its captured graphs."""
WIDTHS: Mapping[str, int] = {"float32": 4, "float": 4, "float16": 2, "half": 2, "bfloat16": 2}
FORMATS: Mapping[str, str] = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


@dataclass(frozen=True, slots=True)
class Room:
    """What an engine may take."""

    gb: float
    """Of the slot, with nothing else in it."""
    kv_share: float
    """Of the slot, for the KV cache, where one context does not need more."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What an engine takes, in GiB and tokens."""

    dtype: str
    weights_gb: float
    adapters_gb: float
    kv_gb: float
    working_gb: float
    """Activations, logits, on a CPU a packed copy of the embedding, on a GPU its context."""
    kv_tokens: int | None = None
    max_model_len: int | None = None
    context: int | None = None
    """What the configuration or the model asks for."""
    tp: int = 1
    kv_given: bool = False
    """Whether the configuration says how large the cache is."""

    @property
    def total_gb(self) -> float:
        """All of it, on each GPU."""
        return self.weights_gb + self.adapters_gb + self.kv_gb + self.working_gb

    @property
    def lasting_gb(self) -> float:
        """What it keeps between two steps: the least that a measurement can mean."""
        return self.weights_gb + self.adapters_gb + self.kv_gb

    @property
    def shortened(self) -> bool:
        """Whether the context fell to what fits."""
        return None not in (self.max_model_len, self.context) and (
            (self.max_model_len or 0) < (self.context or 0)
        )


@dataclass(frozen=True, slots=True)
class Model:
    """What is known of a model's files; `None` of a hub id's."""

    shape: Shape | None = None
    weights: Weights | None = None
    adapter_ranks: tuple[int, ...] = ()


def derive(model: Model, args: Mapping[str, Any], device: Device, room: Room) -> Footprint:
    """The footprint of an engine with the arguments that the configuration gives it."""
    dtype = derive_dtype(model, args, device)
    width = WIDTHS.get(dtype, 2)
    tp = tensor_parallel(args, device)
    weights_gb = model.weights.in_bytes(width) / GIB / tp if model.weights else 0.0
    adapters_gb = _adapters_gb(model, width) / tp
    working_gb = _working_gb(model.shape, args, device, width)
    left_gb = room.gb - weights_gb - adapters_gb - working_gb
    per_token = _kv_bytes(model.shape, args, width) / tp
    context = whole(args.get("max_model_len")) or (model.shape.context if model.shape else None)
    kv_gb = _kv_gb(args, per_token, context, left_gb, room)
    tokens = int(kv_gb * GIB / per_token) if per_token else None
    fits = max(tokens // BLOCK * BLOCK - BLOCK, 0) if tokens is not None else None
    longest = min((n for n in (fits, context) if n is not None), default=None)
    given = whole(args.get("kv_cache_memory_bytes")) is not None
    return Footprint(
        dtype, weights_gb, adapters_gb, kv_gb, working_gb, tokens, longest, context, tp, given
    )


def derive_dtype(model: Model, args: Mapping[str, Any], device: Device) -> str:
    """The dtype by the rule above, as vLLM names it; `auto` where vLLM must decide."""
    said = args.get("dtype")
    if isinstance(said, str) and said != "auto":
        return said
    own = FORMATS.get(model.weights.dtype) if model.weights else None
    if own is None or device.kind == "cuda" or (model.shape and model.shape.quantised):
        return own if own in ("float16", "bfloat16") and device.kind == "cuda" else "auto"
    return "bfloat16" if own == "bfloat16" and device.bf16 else "float32"


def tensor_parallel(args: Mapping[str, Any], device: Device) -> int:
    """Over how many GPUs an engine is spread: all of its slot, unless the arguments say less."""
    return whole(args.get("tensor_parallel_size")) or (device.gpus if device.kind == "cuda" else 1)


def _kv_bytes(shape: Shape | None, args: Mapping[str, Any], width: int) -> float:
    """Of one token."""
    if shape is None:
        return 0.0
    said = str(args.get("kv_cache_dtype") or "auto")
    kv_width = 1 if said.startswith("fp8") else WIDTHS.get(said, width)
    return float(shape.kv_numbers * kv_width)


def _kv_gb(
    args: Mapping[str, Any], per_token: float, context: int | None, left_gb: float, room: Room
) -> float:
    if (said := whole(args.get("kv_cache_memory_bytes"))) is not None:
        return said / GIB
    share_gb = room.gb * room.kv_share
    if not per_token or context is None:
        return max(min(share_gb, left_gb), SMALLEST_CACHE / GIB)
    one_gb = per_token * (context + 2 * BLOCK) / GIB
    many = min(whole(args.get("max_num_seqs")) or CONTEXTS, CONTEXTS)
    wanted_gb = max(min(many * one_gb, share_gb), SMALLEST_CACHE / GIB, one_gb)
    # A cache that does not fit is cut to what does, and the context with it.
    return max(min(wanted_gb, left_gb), 0.0)


def _adapters_gb(model: Model, width: int) -> float:
    """VLLM keeps places of the highest rank for every adapter, and one more (`launch.py`)."""
    shape = model.shape
    if not model.adapter_ranks or shape is None:
        return 0.0
    # Into and out of the four projections of attention and the three of the feed-forward part.
    ways = 11 * shape.hidden + 3 * shape.inner
    places = len(model.adapter_ranks) + 1
    return shape.layers * ways * max(model.adapter_ranks) * places * width / GIB


def _working_gb(shape: Shape | None, args: Mapping[str, Any], device: Device, width: int) -> float:
    own_gb = GPU_ENGINE_GB if device.kind == "cuda" else CPU_ENGINE_GB
    if shape is None:
        return own_gb
    tokens = whole(args.get("max_num_batched_tokens")) or (2048 if device.kind == "cpu" else 8192)
    rows = whole(args.get("max_num_seqs")) or (128 if device.kind == "cpu" else 256)
    # Logits are in float32, and sampling needs a few copies of them.
    taken = tokens * shape.widest * width + 3 * rows * shape.vocabulary * 4
    if device.kind == "cpu":
        # VLLM's CPU kernels multiply by a packed copy of these, and look rows up in the original.
        taken += shape.embeddings * width
    return own_gb + taken / GIB
