"""The comparisons of kernels: right ones pass, each wrong one is noticed."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from deploy.gpu_check.steps import attention, kernels

KERNELS = {**kernels.EVERYWHERE, **kernels.CUDA_ONLY}


class Ops:
    """The kernels written out with loops, where that is another way than the comparison's."""

    def rms_norm(self, out: Tensor, given: Tensor, weight: Tensor, epsilon: float) -> None:
        for row, source in zip(out, given, strict=True):
            row[:] = source / math.sqrt(float(source @ source) / len(source) + epsilon) * weight

    def fused_add_rms_norm(
        self, given: Tensor, residual: Tensor, weight: Tensor, epsilon: float
    ) -> None:
        residual += given
        self.rms_norm(given, residual.clone(), weight, epsilon)

    def rotary_embedding(
        self, positions: Tensor, query: Tensor, key: Tensor, size: int, cache: Tensor, neox: bool
    ) -> None:
        half = size // 2
        for whole in (query, key):
            for row, position in zip(whole, positions.tolist(), strict=True):
                for head in row.view(-1, size):
                    turn = torch.complex(cache[position, :half], cache[position, half:])
                    turned = torch.complex(head[:half].clone(), head[half:].clone()) * turn
                    head[:half], head[half:] = turned.real, turned.imag

    def topk_softmax(
        self, weights: Tensor, chosen: Tensor, rows: Tensor, gates: Tensor, renormalize: bool
    ) -> None:
        for number, gate in enumerate(gates.tolist()):
            total = sum(map(math.exp, gate))
            best = sorted(range(len(gate)), key=lambda expert: -gate[expert])
            for place in range(chosen.shape[1]):
                chosen[number, place] = best[place]
                weights[number, place] = math.exp(gate[best[place]]) / total

    def moe_align_block_size(
        self, chosen: Tensor, experts: int, block: int, order: Tensor, owners: Tensor, count: Tensor
    ) -> None:
        rows, flat = [], chosen.flatten().tolist()
        blocks = []
        for expert in range(experts):
            own = [row for row, owner in enumerate(flat) if owner == expert]
            own += [len(flat)] * (-len(own) % block)
            rows += own
            blocks += [expert] * (len(own) // block)
        order[: len(rows)] = torch.tensor(rows)
        owners[: len(blocks)] = torch.tensor(blocks)
        count.fill_(len(rows))


class Broken(Ops):
    """Every kernel does something that is nearly right."""

    def rms_norm(self, out: Tensor, given: Tensor, weight: Tensor, epsilon: float) -> None:
        out[:] = given / given.std(-1, keepdim=True)  # Without the weight.

    def rotary_embedding(self, *given: Any) -> None:
        """Turn nothing."""

    def topk_softmax(self, weights: Tensor, chosen: Tensor, *rest: Any) -> None:
        super().topk_softmax(weights, chosen, *rest)
        weights /= weights.sum(-1, keepdim=True)

    def moe_align_block_size(self, *given: Any) -> None:
        super().moe_align_block_size(*given)
        owners = given[4]
        owners[0] = owners[0] + 1


NAMES = [name for name in KERNELS if name != "silu_and_mul"]
"""That one is called through PyTorch and not through `ops`."""


@pytest.mark.parametrize("name", NAMES)
def test_a_right_kernel_passes(name: str) -> None:
    torch.manual_seed(0)

    assert KERNELS[name](Ops(), "cpu", torch.float32) < 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_kernel_is_noticed(name: str) -> None:
    torch.manual_seed(0)

    assert KERNELS[name](Broken(), "cpu", torch.float32) > kernels.BOUND


def flash(
    query: Tensor, key: Tensor, value: Tensor, *, cu_seqlens_q: Tensor, softmax_scale: float,
    cu_seqlens_k: Tensor | None = None, seqused_k: Tensor | None = None,
    block_table: Tensor | None = None, **_: Any,
) -> Tensor:  # fmt: skip
    """Attention with vLLM's arguments, one position and head after the other."""
    out = torch.empty_like(query)
    group = query.shape[1] // key.shape[-2]
    for number in range(len(cu_seqlens_q) - 1):
        begin, end = cu_seqlens_q[number : number + 2].tolist()
        if block_table is None:
            assert cu_seqlens_k is not None
            first, last = cu_seqlens_k[number : number + 2].tolist()
            keys, values = key[first:last], value[first:last]
        else:
            assert seqused_k is not None
            length, pages = int(seqused_k[number]), block_table[number].tolist()
            keys = torch.cat([key[page] for page in pages])[:length]
            values = torch.cat([value[page] for page in pages])[:length]
        for row in range(begin, end):
            seen = len(keys) - (end - row) + 1
            for head in range(query.shape[1]):
                scores = keys[:seen, head // group].float() @ query[row, head].float()
                shares = (scores * softmax_scale).softmax(0)
                out[row, head] = shares @ values[:seen, head // group].float()
    return out


def off_by_one(*given: Any, **named: Any) -> Tensor:
    """Rows that belong to their neighbours, or the last page entry left out."""
    if named.get("block_table") is None:
        return flash(*given, **named).roll(-1, 0)
    return flash(*given, **{**named, "seqused_k": (named["seqused_k"] - 1).clamp(min=1)})


def test_right_attention_passes() -> None:
    errors = attention.compare(flash, "cpu")

    assert len(errors) == 2 * len(attention.HEAD_SIZES)
    assert max(errors.values()) < attention.BOUND / 2


def test_wrong_attention_is_noticed_in_either_way() -> None:
    errors = attention.compare(off_by_one, "cpu")

    assert min(errors.values()) > attention.BOUND
