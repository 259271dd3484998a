"""FusionRoute in plain torch: slow, and the reference for the served model.

arXiv 2601.05106 v5 (ICML 2026), section 2: for every token, the expert of the largest routing
weight W h is heard, h being the router's last hidden state after its final norm, and

    log pi(. | x) = log pi_router(. | x) + log pi_expert(. | x), renormalised.
"""

import math
from pathlib import Path

import torch
from torch import Tensor

from experts.errors import ConfigError
from experts.fused.folder.folder_config import read
from experts.fused.folder.methods.fusion_route import NO_EXPERT, FusionRoute
from experts.fused.folder.torch_members import (
    load_members,
    load_router,
    role_of,
    seen_by_members,
)


class FusionRouteReference:
    """Recomputes every position with the router and every expert, for one request."""

    def __init__(self, folder: Path) -> None:
        """Load a fused folder; raises ConfigError for one of another kind."""
        composite = read(folder)
        if not isinstance(composite, FusionRoute):
            raise ConfigError(f"{folder} holds {composite.architecture}.")
        self.composite = composite
        self._experts = load_members(composite, folder)
        self._router, self._head = load_router(composite, folder)

    @torch.no_grad()
    def speakers(self, tokens: list[int]) -> list[str | None]:
        """The expert behind each position of a request that starts with a role token, if any."""
        role = self.composite.roles[role_of(self.composite, tokens)]
        if role.expert is not None:
            return [None if role.expert == NO_EXPERT else role.expert] * len(tokens)
        seen = seen_by_members(self.composite, tokens)
        hidden = self._router.base_model(seen).last_hidden_state[0]
        names = list(self._experts)
        return [names[number] for number in (hidden @ self._head.T).argmax(-1).tolist()]

    @torch.no_grad()
    def logits(self, tokens: list[int]) -> Tensor:
        """[tokens, vocabulary] next-token log-probabilities, not renormalised."""
        role = self.composite.roles[role_of(self.composite, tokens)]
        seen = seen_by_members(self.composite, tokens)
        total = torch.zeros(len(tokens), self.composite.vocab_size)
        if role.router_logits:
            total += self._router(seen).logits[0].log_softmax(-1)
        experts = {name: expert(seen).logits[0] for name, expert in self._experts.items()}
        for position, name in enumerate(self.speakers(tokens)):
            if name is not None:
                total[position] += experts[name][position].log_softmax(-1)
        total[:, list(self.composite.role_token_ids)] = -math.inf
        return total

    def greedy(self, tokens: list[int], count: int) -> list[int]:
        """The `count` tokens that follow."""
        answer: list[int] = []
        for _ in range(count):
            answer.append(int(self.logits([*tokens, *answer])[-1].argmax()))
        return answer
