"""Seeded sampling on CPU, whose generators lack the offset by which vLLM takes draws back.

A step that prefills a part of a prompt samples a token in vain, and takes the draw back. On CPU
that raises, and the engine would die.
"""

from functools import wraps
from typing import Any

import torch
from vllm.v1.worker.gpu_input_batch import InputBatch


class Rewinding(torch.Generator):
    """A generator that goes back to its seed when a draw is taken back.

    For a prompt that is read for the first time this is exact: nothing that counts was drawn. A
    request that was preempted, and is read again in parts, repeats its first draws.
    """

    def get_offset(self) -> int:
        """The offset to return to: none is kept."""
        return 0

    def set_offset(self, offset: int) -> torch.Generator:
        """Take back every draw."""
        return self.manual_seed(self.initial_seed())


def install() -> None:
    """Give every seeded request such a generator; a second call changes nothing."""
    added = InputBatch.add_request
    if hasattr(added, "__wrapped__"):
        return

    @wraps(added)
    def add_request(self: InputBatch, request: Any, *rest: Any, **named: Any) -> Any:
        if request.generator is not None and not isinstance(request.generator, Rewinding):
            seed = request.generator.initial_seed()
            request.generator = Rewinding(device="cpu")
            request.generator.manual_seed(seed)
        return added(self, request, *rest, **named)

    InputBatch.add_request = add_request
