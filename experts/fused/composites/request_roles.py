"""Every request's role, remembered under the first block of its KV cache."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class RoleMemory(nn.Module):
    """Reads the role token at position 0 and knows the role at every later position.

    A step of the engine sees the tokens of many requests, mostly one each, and no request's
    beginning. What leads back to it is the table of the request's KV blocks: the role is written
    under its first physical block when position 0 is computed, and read there later. A block
    holds what its tokens say, the role token among them, so a block that another request finds
    in the prefix cache brings the right role along, and one that is computed again after a
    preemption, or reused, is written again.

    Every operation has a fixed shape and stays on the device: it can be part of a CUDA graph.
    """

    role_of_token: Tensor
    role_of_block: Tensor

    def __init__(self, role_token_ids: Sequence[int], stand_in: int, vocab_size: int) -> None:
        """`stand_in` is the token that the members see in the place of a role token."""
        super().__init__()
        role_of_token = torch.full((vocab_size,), -1, dtype=torch.long)
        role_of_token[list(role_token_ids)] = torch.arange(len(role_token_ids))
        self.register_buffer("role_of_token", role_of_token, persistent=False)
        self.register_buffer("role_of_block", torch.zeros(0, dtype=torch.long), persistent=False)
        self._stand_in = stand_in

    def reserve(self, blocks: int) -> None:
        """Make room for `blocks` blocks; what was remembered is kept.

        Raises RuntimeError while a CUDA graph is captured, which would make new room, all zeros,
        whenever it is replayed.
        """
        if blocks > len(self.role_of_block):
            if self.role_of_block.is_cuda and torch.cuda.is_current_stream_capturing():
                raise RuntimeError(
                    f"Room for the roles of {blocks} KV blocks is wanted while a CUDA graph is"
                    " captured: the KV cache must be bound, and the model be run once, before."
                )
            grown = self.role_of_block.new_zeros(blocks)
            grown[: len(self.role_of_block)] = self.role_of_block
            self.role_of_block = grown

    def roles(
        self, input_ids: Tensor, positions: Tensor, block_table: Tensor, query_starts: Tensor
    ) -> Tensor:
        """The role of every row of a step.

        Args:
            input_ids: [rows] tokens of all requests, one after the other, then padding.
            positions: [rows] of the tokens in their requests; anything in padding.
            block_table: [requests, blocks] physical blocks; more than `reserve` was told of fail.
            query_starts: [requests + 1] where each request's rows begin, and where the last ends.

        Returns:
            [rows] role numbers; any valid one in padding.

        """
        rows = torch.arange(len(input_ids), device=input_ids.device, dtype=query_starts.dtype)
        request = torch.searchsorted(query_starts[1:], rows, right=True)
        request = request.clamp(max=len(block_table) - 1)
        first_block = block_table[request, 0].long()
        begins = (positions == 0) & (rows < query_starts[-1])
        # Block 0 is vLLM's null block, which holds no request: writing there writes nowhere.
        written = torch.where(begins, first_block, 0)
        role = torch.where(begins, self.role_of_token[input_ids].clamp(min=0), 0)
        self.role_of_block.index_put_((written,), role)
        return self.role_of_block[first_block]

    def seen(self, input_ids: Tensor, positions: Tensor) -> Tensor:
        """[rows] tokens as the members see them: a role token counts at position 0 only."""
        is_role = (positions == 0) & (self.role_of_token[input_ids] >= 0)
        return torch.where(is_role, self._stand_in, input_ids)
