"""Contrastive decoding and proxy tuning in plain torch: slow, the reference for the served model.

Contrastive decoding: Li et al., arXiv 2210.15097, section 3. Proxy tuning: Liu et al., arXiv
2401.08565, section 2. Both are z = z_plus + w (z_b - z_c).
"""

import math
from pathlib import Path

import torch
from torch import Tensor

from experts.errors import ConfigError
from experts.fused.folder.folder_config import read
from experts.fused.folder.methods.contrast import Contrast
from experts.fused.folder.torch_members import load_members, role_of, seen_by_members


class ContrastReference:
    """Recomputes every position with every member, for one request."""

    def __init__(self, folder: Path) -> None:
        """Load the members of a fused folder; raises ConfigError for one of another kind."""
        composite = read(folder)
        if not isinstance(composite, Contrast):
            raise ConfigError(f"{folder} holds {composite.architecture}.")
        self.composite = composite
        self._members = load_members(composite, folder)

    @torch.no_grad()
    def logits(self, tokens: list[int]) -> Tensor:
        """[tokens, vocabulary] next-token logits of a request that starts with a role token."""
        role = self.composite.roles[role_of(self.composite, tokens)]
        seen = seen_by_members(self.composite, tokens)
        z = {name: self._members[name](seen).logits[0] for name in role.members()}
        combined: Tensor = z[role.plus]
        if role.minus:
            (added, subtracted), weight = role.minus
            combined = combined + weight * (z[added] - z[subtracted])
        if role.alpha:
            threshold = z[role.plus].amax(-1, keepdim=True) + math.log(role.alpha)
            combined = combined.where(z[role.plus] >= threshold, -math.inf)
        combined[:, list(self.composite.role_token_ids)] = -math.inf
        return combined

    def greedy(self, tokens: list[int], count: int) -> list[int]:
        """The `count` tokens that follow."""
        answer: list[int] = []
        for _ in range(count):
            answer.append(int(self.logits([*tokens, *answer])[-1].argmax()))
        return answer
