"""vLLM's compiled kernels against the same arithmetic in PyTorch."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from deploy.gpu_check.rig import Failure, Found, Rig
from experts.vllm import environment
from experts.vllm.loads import WorkerSettings

TOKENS, WIDTH = 67, 512
HEADS, HEAD = 8, 64
EXPERTS, CHOSEN, BLOCK = 8, 2, 16
EPSILON = 1e-6
BOUND = 5e-2
"""Largest error in bfloat16, whose numbers have eight bits; a broken kernel is off by 1 or more."""

Kernel = Callable[[Any, str, torch.dtype], float]
"""The largest error of a kernel, on a device and in a type."""


def run(rig: Rig) -> Found:
    """Compare each kernel that the device has."""
    environment.prepare(WorkerSettings(1, rig.cuda))
    from vllm import _custom_ops as ops  # noqa: PLC0415

    torch.manual_seed(0)
    dtype = torch.bfloat16 if rig.cuda else torch.float32
    kernels = {**EVERYWHERE, **(CUDA_ONLY if rig.cuda else {})}
    errors: dict[str, Any] = {}
    broken = []
    for name, compare in kernels.items():
        try:
            errors[name] = compare(ops, rig.device, dtype)
            if not errors[name] <= BOUND:
                broken.append(f"{name} is off by {errors[name]:.3g}")
        except Exception as error:  # A missing kernel must not hide the others.
            errors[name] = f"{type(error).__name__}: {error}"
            broken.append(f"{name}: {errors[name]}")
    if broken:
        raise Failure("; ".join(broken), {"errors": errors})
    left_out = "" if rig.cuda else f"; on a GPU also {', '.join(CUDA_ONLY)}"
    worst = max(errors.values())
    return Found(f"{', '.join(errors)}: largest error {worst:.1g}{left_out}", {"errors": errors})


def _rms_norm(ops: Any, device: str, dtype: torch.dtype) -> float:
    given = torch.randn(TOKENS, WIDTH, device=device, dtype=dtype)
    weight = torch.rand(WIDTH, device=device, dtype=dtype)
    found = torch.empty_like(given)
    ops.rms_norm(found, given, weight, EPSILON)
    wide = given.float()
    expected = wide * (wide.pow(2).mean(-1, keepdim=True) + EPSILON).rsqrt() * weight.float()
    return _error(found, expected)


def _fused_add_rms_norm(ops: Any, device: str, dtype: torch.dtype) -> float:
    given, residual = torch.randn(2, TOKENS, WIDTH, device=device, dtype=dtype)
    weight = torch.rand(WIDTH, device=device, dtype=dtype)
    wide = given.float() + residual.float()
    expected = wide * (wide.pow(2).mean(-1, keepdim=True) + EPSILON).rsqrt() * weight.float()
    found, left = given.clone(), residual.clone()
    ops.fused_add_rms_norm(found, left, weight, EPSILON)
    return max(_error(found, expected), _error(left, wide))


def _silu_and_mul(ops: Any, device: str, dtype: torch.dtype) -> float:
    given = torch.randn(TOKENS, 2 * WIDTH, device=device, dtype=dtype)
    found = torch.empty(TOKENS, WIDTH, device=device, dtype=dtype)
    torch.ops._C.silu_and_mul(found, given)
    gate, up = given.float().chunk(2, -1)
    return _error(found, torch.nn.functional.silu(gate) * up)


def _rotary(ops: Any, device: str, dtype: torch.dtype) -> float:
    positions = torch.randint(0, 512, (TOKENS,), device=device)
    query, key = torch.randn(2, TOKENS, HEADS * HEAD, device=device, dtype=dtype)
    rates = 10000.0 ** (-torch.arange(0, HEAD, 2, device=device) / HEAD)
    angles = torch.arange(512, device=device)[:, None] * rates
    cache = torch.cat((angles.cos(), angles.sin()), -1).to(dtype)
    cosine, sine = (part[:, None] for part in cache[positions].float().chunk(2, -1))
    expected = []
    for whole in (query, key):
        left, right = whole.float().view(TOKENS, HEADS, HEAD).chunk(2, -1)
        turned = (left * cosine - right * sine, right * cosine + left * sine)
        expected.append(torch.cat(turned, -1).flatten(1))
    ops.rotary_embedding(positions, query, key, HEAD, cache, True)
    return max(map(_error, (query, key), expected))


def _topk_softmax(ops: Any, device: str, dtype: torch.dtype) -> float:
    gates = torch.randn(TOKENS, EXPERTS, device=device, dtype=torch.float32)
    weights = torch.empty(TOKENS, CHOSEN, device=device, dtype=torch.float32)
    chosen = torch.empty(TOKENS, CHOSEN, device=device, dtype=torch.int32)
    rows = torch.empty_like(chosen)
    ops.topk_softmax(weights, chosen, rows, gates, False)
    values, places = gates.softmax(-1).topk(CHOSEN)
    if not torch.equal(chosen.long(), places):
        return 1.0
    return _error(weights, values)


def _moe_align(ops: Any, device: str, dtype: torch.dtype) -> float:
    """0 where each block holds rows of one expert and every row is in one block."""
    chosen = torch.randint(0, EXPERTS, (TOKENS, CHOSEN), device=device, dtype=torch.int32)
    room = chosen.numel() + EXPERTS * (BLOCK - 1)
    blocks_at_most = -(-room // BLOCK)
    order = torch.empty(blocks_at_most * BLOCK, device=device, dtype=torch.int32)
    owners = torch.empty(blocks_at_most, device=device, dtype=torch.int32)
    padded = torch.empty(1, device=device, dtype=torch.int32)
    ops.moe_align_block_size(chosen, EXPERTS, BLOCK, order, owners, padded)
    count = int(padded)
    flat = chosen.flatten()
    blocks = order[:count].view(-1, BLOCK)
    wrong = 0
    for block, owner in zip(blocks, owners.tolist(), strict=False):
        real = block[block < len(flat)].long()
        wrong += int((flat[real] != owner).sum())
    seen = blocks.flatten()
    real = seen[seen < len(flat)].sort().values
    whole = torch.arange(len(flat), device=device, dtype=real.dtype)
    return float(wrong + (not torch.equal(real, whole)))


def _error(found: Tensor, expected: Tensor) -> float:
    """The largest error, relative where numbers are larger than 1."""
    difference = (found.float() - expected.float()).abs()
    return float((difference / expected.float().abs().clamp(min=1)).max())


EVERYWHERE: Mapping[str, Kernel] = {
    "rms_norm": _rms_norm,
    "fused_add_rms_norm": _fused_add_rms_norm,
    "silu_and_mul": _silu_and_mul,
    "rotary": _rotary,
}
CUDA_ONLY: Mapping[str, Kernel] = {"topk_softmax": _topk_softmax, "moe_align": _moe_align}
