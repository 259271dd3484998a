"""Inputs of the members at addresses that never change."""

import torch
from torch import Tensor, nn


class Fixed(nn.Module):
    """Numbers of a step's rows, always in the same memory.

    A captured CUDA graph reads its inputs where they were when it was captured. vLLM hands every
    model the same buffers in each step, so what a composite makes of them for its members must
    not be new memory either: the graphs of a compiled member would read what was there before.
    """

    held: Tensor

    def __init__(self, rows: int, dtype: torch.dtype) -> None:
        """`rows` at most, copies included."""
        super().__init__()
        self.register_buffer("held", torch.zeros(rows, dtype=dtype), persistent=False)

    def put(self, values: Tensor, copies: int = 1) -> Tensor:
        """Write the [rows] values, `copies` times one after the other; returns where they are."""
        part = self.held[: copies * len(values)]
        part.view(copies, -1).copy_(values)
        return part
