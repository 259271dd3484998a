"""FlashAttention over sequences of several lengths, plain and from a paged cache."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from deploy.gpu_check.rig import Failure, Found, Rig, Skip
from experts.vllm import environment
from experts.vllm.loads import WorkerSettings

LENGTHS = (1, 17, 64, 130)
HEADS, KV_HEADS = 8, 2
HEAD_SIZES = (32, 64, 128)
PAGE = 16
BOUND = 5e-2
"""Largest error in bfloat16; a broken kernel is off by 1 or more."""

Flash = Callable[..., Tensor]
"""With the arguments of vLLM's `flash_attn_varlen_func`."""


def run(rig: Rig) -> Found:
    """Compare the newest version that this GPU and this build have."""
    environment.prepare(WorkerSettings(1, rig.cuda))
    from vllm.vllm_flash_attn import (  # noqa: PLC0415
        flash_attn_varlen_func,
        is_fa_version_supported,
    )

    version = next((v for v in (3, 2) if is_fa_version_supported(v)), None)
    if version is None:
        raise Skip("neither FlashAttention 3 nor 2 runs on this GPU")
    errors = compare(partial(flash_attn_varlen_func, fa_version=version), rig.device)
    broken = [
        f"{name} is off by {error:.3g}" for name, error in errors.items() if not error <= BOUND
    ]
    figures = {"version": version, "errors": errors}
    if broken:
        raise Failure(f"FlashAttention {version}: {'; '.join(broken)}", figures)
    return Found(f"FlashAttention {version}: largest error {max(errors.values()):.1g}", figures)


def compare(flash: Flash, device: str) -> dict[str, float]:
    """The largest error of each way in which engines use it."""
    torch.manual_seed(0)
    errors = {}
    for size in HEAD_SIZES:
        errors[f"varlen_{size}"] = _varlen(flash, size, device)
        errors[f"paged_{size}"] = _paged(flash, size, device)
    return errors


def _varlen(flash: Flash, size: int, device: str) -> float:
    """A prefill: every sequence attends to itself."""
    total, longest = sum(LENGTHS), max(LENGTHS)
    query, key, value = _random(total, size, device)
    starts = _starts(LENGTHS, device)
    found = flash(
        query, key, value, max_seqlen_q=longest, cu_seqlens_q=starts, max_seqlen_k=longest,
        cu_seqlens_k=starts, causal=True, softmax_scale=size**-0.5,
    )  # fmt: skip
    parts = zip(*(torch.split(whole, list(LENGTHS)) for whole in (query, key, value)), strict=True)
    expected = [_attend(q, k, v, last=len(q)) for q, k, v in parts]
    return _error(found, torch.cat(expected))


def _paged(flash: Flash, size: int, device: str) -> float:
    """A decode step: one token of each sequence attends to its pages."""
    pages = -(-max(LENGTHS) // PAGE)
    table = torch.randperm(len(LENGTHS) * pages, device=device).view(len(LENGTHS), pages)
    shape = (table.numel(), PAGE, KV_HEADS, size)
    keys, values = torch.randn(2, *shape, device=device, dtype=torch.bfloat16)
    query, _, _ = _random(len(LENGTHS), size, device)
    found = flash(
        query, keys, values, max_seqlen_q=1, cu_seqlens_q=_starts((1,) * len(LENGTHS), device),
        max_seqlen_k=max(LENGTHS), seqused_k=torch.tensor(LENGTHS, device=device).int(),
        block_table=table.int(), causal=True, softmax_scale=size**-0.5,
    )  # fmt: skip
    expected = [
        _attend(query[i : i + 1], keys[row].flatten(0, 1)[:length],
                values[row].flatten(0, 1)[:length], last=1)
        for i, (row, length) in enumerate(zip(table, LENGTHS, strict=True))
    ]  # fmt: skip
    return _error(found, torch.cat(expected))


def _random(tokens: int, size: int, device: str) -> tuple[Tensor, Tensor, Tensor]:
    def drawn(heads: int) -> Tensor:
        return torch.randn(tokens, heads, size, device=device, dtype=torch.bfloat16)

    return drawn(HEADS), drawn(KV_HEADS), drawn(KV_HEADS)


def _starts(lengths: tuple[int, ...], device: str) -> Tensor:
    return torch.tensor([0, *lengths], device=device).cumsum(0).int()


def _attend(query: Tensor, key: Tensor, value: Tensor, last: int) -> Tensor:
    """In float32; the queries are the `last` positions of the keys."""
    q, k, v = (part.float().transpose(0, 1) for part in (query, key, value))
    k, v = (part.repeat_interleave(HEADS // KV_HEADS, 0) for part in (k, v))
    mask = torch.ones(last, k.shape[1], dtype=torch.bool, device=k.device)
    mask = mask.tril(k.shape[1] - last)
    return scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(0, 1)


def _error(found: Tensor, expected: Tensor) -> float:
    return float((found.float() - expected).abs().max())
