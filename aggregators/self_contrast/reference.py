"""SCMoE in plain torch: slow, the reference for the served model.

Shi et al., "Unchosen Experts Can Contribute Too", arXiv 2405.14507, section 3. The strong pass is
the model; in the weak pass every mixture layer hears only the expert with the k-th largest gate
value, with the weight that the gate gives it: 1 where it shares out 1 among the chosen ones.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from experts.errors import ConfigError
from experts.fused.folder.folder_config import read
from experts.fused.folder.methods.self_contrast import SelfContrast
from experts.fused.folder.torch_members import load_members, role_of, seen_by_members


class SelfContrastReference:
    """Recomputes every position in two passes, for one request."""

    def __init__(self, folder: Path) -> None:
        """Load the member of a fused folder; raises ConfigError for one of another kind."""
        composite = read(folder)
        if not isinstance(composite, SelfContrast):
            raise ConfigError(f"{folder} holds {composite.architecture}.")
        self.composite = composite
        (self._model,) = load_members(composite, folder).values()

    @torch.no_grad()
    def logits(self, tokens: list[int]) -> Tensor:
        """[tokens, vocabulary] next-token logits of a request that starts with a role token."""
        role = self.composite.roles[role_of(self.composite, tokens)]
        seen = seen_by_members(self.composite, tokens)
        strong = self._model(seen).logits[0]
        combined: Tensor = strong
        if role.beta:
            with _one_expert(self._model, role.rank):
                weak = self._model(seen).logits[0]
            threshold = strong.amax(-1, keepdim=True) + (
                math.log(role.alpha) if role.alpha else -math.inf
            )
            combined = (1 + role.beta) * strong - role.beta * weak
            combined = combined.where(strong >= threshold, -math.inf)
        combined[:, list(self.composite.role_token_ids)] = -math.inf
        return combined

    def greedy(self, tokens: list[int], count: int) -> list[int]:
        """The `count` tokens that follow."""
        answer: list[int] = []
        for _ in range(count):
            answer.append(int(self.logits([*tokens, *answer])[-1].argmax()))
        return answer


@contextmanager
def _one_expert(model: Any, rank: int) -> Iterator[None]:
    """Let every gate of a transformers model choose the expert of one rank, counted from 1."""

    def choose(gate: Any, _: Any, output: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, ...]:
        logits, weights, _experts = output
        probabilities = logits.float().softmax(-1)
        values, order = probabilities.topk(rank, dim=-1)
        # Mixtral's gate always shares out 1, and so has no setting for it.
        shares_one = getattr(gate, "norm_topk_prob", True)
        heard = torch.zeros_like(weights)
        heard[:, 0] = 1.0 if shares_one else values[:, -1].to(weights.dtype)
        return logits, heard, order[:, -1:].expand(-1, weights.shape[-1])

    gates = [module for module in model.modules() if type(module).__name__.endswith("TopKRouter")]
    hooks = [gate.register_forward_hook(choose) for gate in gates]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
