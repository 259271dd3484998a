"""LoRA on a CPU, one matrix product per adapter of a step.

vLLM's kernels for CPUs, in plain torch, copy an adapter's matrices for every token of the step: a
prompt of 45 tokens copies them 45 times, in each of a layer's seven projections. Here the rows of
an adapter are multiplied together, and its matrices are read in place.
"""

import torch
import vllm.lora.punica_wrapper.punica_cpu as punica_cpu
from torch import Tensor
from vllm.lora.ops.torch_ops import lora_ops


def products(inputs: Tensor, weights: Tensor, adapters: Tensor, dtype: torch.dtype) -> Tensor:
    """Each row times the matrix of its adapter.

    Args:
        inputs: [rows, width].
        weights: [adapters, out, width] or [adapters, 1, out, width].
        adapters: [rows] numbers of adapters; negative ones have none.
        dtype: of the result, and of the sums.

    Returns:
        [rows, out], zeros for rows without an adapter.

    """
    if weights.dim() == 4:
        weights = weights.squeeze(1)
    inputs = inputs.to(dtype)
    numbers = torch.unique(adapters).tolist()
    if len(numbers) == 1 and numbers[0] >= 0:
        return inputs @ weights[numbers[0]].to(dtype).t()
    outputs = inputs.new_zeros(len(adapters), weights.shape[1])
    for number in numbers:
        if number >= 0:
            rows = (adapters == number).nonzero()[:, 0]
            outputs[rows] = inputs[rows] @ weights[number].to(dtype).t()
    return outputs


def shrink(
    inputs: Tensor, weights: Tensor, output: Tensor, adapters: Tensor, scaling: float = 1.0
) -> None:
    """Write the inputs, made as narrow as the adapters, into the first columns of `output`."""
    found = products(inputs, weights, adapters, output.dtype)
    output[:, : found.shape[1]] = scaling * found


def expand(
    inputs: Tensor, weights: Tensor, output: Tensor, adapters: Tensor, add_inputs: bool = True
) -> None:
    """Add what the adapters say to `output`, or replace it by that."""
    found = products(inputs, weights, adapters, output.dtype)
    # The model and the adapter may pad differently.
    _put(output[:, : min(found.shape[1], output.shape[1])], found, add_inputs)


def expand_slice(
    inputs: Tensor,
    weights: Tensor,
    output: Tensor,
    adapters: Tensor,
    slice_offset: int,
    slice_size: int,
    add_inputs: bool = True,
) -> None:
    """The same for some columns of `output`: projections that are multiplied as one."""
    found = products(inputs, weights, adapters, output.dtype)
    _put(output[:, slice_offset : slice_offset + slice_size], found, add_inputs)


def _put(place: Tensor, found: Tensor, add: bool) -> None:
    found = found[: len(place), : place.shape[1]]
    if add:
        place += found
    else:
        place[:] = found


def install() -> None:
    """Use these in every engine of this process; a second call changes nothing."""
    for module in (lora_ops, punica_cpu):
        module.bgmv_shrink = shrink
        module.bgmv_expand = expand
        module.bgmv_expand_slice = expand_slice
