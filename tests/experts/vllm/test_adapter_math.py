"""Our LoRA products on a CPU are vLLM's own."""

import pytest
import torch
import vllm_here  # noqa: F401
from torch import Tensor
from vllm.lora.ops.torch_ops import lora_ops

from experts.vllm.adapter_math import expand, expand_slice, shrink

pytestmark = pytest.mark.e2e

WIDTH, RANK, OUT, SLOTS = 24, 8, 40, 4
"""The last slot is empty: vLLM reads it for rows without an adapter."""


def batch(seed: int, rows: int, nested: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Inputs, both matrices of every adapter, and whose row is whose."""
    torch.manual_seed(seed)
    down, up = torch.randn(SLOTS, RANK, WIDTH), torch.randn(SLOTS, OUT, RANK)
    down[-1], up[-1] = 0, 0
    adapters = torch.randint(-1, SLOTS - 1, (rows,))
    if nested:
        down, up = down[:, None], up[:, None]
    return torch.randn(rows, WIDTH), down, up, adapters


@pytest.mark.parametrize("nested", [False, True], ids=["3d", "4d"])
@pytest.mark.parametrize("rows", [1, 2, 17])
@pytest.mark.parametrize("seed", range(5))
def test_every_kernel_says_what_vllms_does(seed: int, rows: int, nested: bool) -> None:
    inputs, down, up, adapters = batch(seed, rows, nested)
    narrow, ours = torch.zeros(rows, RANK + 2), torch.zeros(rows, RANK + 2)
    lora_ops.bgmv_shrink(inputs, down, narrow, adapters, 0.5)
    shrink(inputs, down, ours, adapters, 0.5)
    torch.testing.assert_close(ours, narrow)

    hidden = narrow[:, :RANK]
    for add in (True, False):
        wide = torch.randn(rows, OUT)
        also = wide.clone()
        lora_ops.bgmv_expand(hidden, up, wide, adapters, add)
        expand(hidden, up, also, adapters, add)
        torch.testing.assert_close(also, wide)

        wide = torch.randn(rows, OUT + 10)
        also = wide.clone()
        lora_ops.bgmv_expand_slice(hidden, up, wide, adapters, 6, OUT, add)
        expand_slice(hidden, up, also, adapters, 6, OUT, add)
        torch.testing.assert_close(also, wide)


def test_in_half_precision_sums_are_those_of_the_output() -> None:
    inputs, down, _, adapters = batch(0, 9, nested=False)
    theirs, ours = torch.zeros(9, RANK), torch.zeros(9, RANK)
    lora_ops.bgmv_shrink(inputs.bfloat16(), down.bfloat16(), theirs, adapters)
    shrink(inputs.bfloat16(), down.bfloat16(), ours, adapters)
    torch.testing.assert_close(ours, theirs)
