"""A Mixture of Thoughts in plain torch: slow, and what the served one must match.

arXiv 2509.21164, section 3, with causal states: every position is computed anew for every token,
by the same model that is trained.
"""

import math
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from aggregators.mixture_of_thoughts.model import MixtureOfThoughts, Read
from aggregators.mixture_of_thoughts.query_router import Choice
from experts.errors import ConfigError
from experts.fused.folder.folder_config import read
from experts.fused.folder.methods.mixture_of_thoughts import MixtureOfThoughts as Served
from experts.fused.folder.torch_members import load_members, role_of, seen_by_members

_PREFIX = "interactions."


class ThoughtsReference:
    """Answers one request, in the role that its first token names."""

    def __init__(self, folder: Path) -> None:
        """Load a fused folder; raises ConfigError for one of another kind."""
        composite = read(folder)
        if not isinstance(composite, Served):
            raise ConfigError(f"{folder} holds {composite.architecture}.")
        self.composite = composite
        self._model = MixtureOfThoughts(
            load_members(composite, folder),
            composite.stacks,
            composite.places,
            composite.shared_width,
            composite.heads,
            dimension=1,
            form=composite.attention,
        )
        weights = load_file(folder / "model.safetensors")
        own = {name.removeprefix(_PREFIX): tensor for name, tensor in weights.items()}
        self._model.interactions.load_state_dict(own)
        self._model.eval()

    @torch.no_grad()
    def logits(self, tokens: list[int]) -> Tensor:
        """[tokens, vocabulary] next-token log-probabilities."""
        seen = seen_by_members(self.composite, tokens)
        padded = torch.cat((seen, torch.zeros_like(seen[:, :1])), 1)
        positions = torch.ones_like(seen, dtype=torch.bool)
        heard = self._model(Read((padded,)), positions, self._choice(tokens))
        found: Tensor = heard.log_probs
        found[:, list(self.composite.role_token_ids)] = -math.inf
        return found

    def greedy(self, tokens: list[int], count: int) -> list[int]:
        """The `count` tokens that follow."""
        answer: list[int] = []
        for _ in range(count):
            answer.append(int(self.logits([*tokens, *answer])[-1].argmax()))
        return answer

    def _choice(self, tokens: list[int]) -> Choice:
        role = self.composite.roles[role_of(self.composite, tokens)]
        active = torch.tensor([[name in role.active for name in self.composite.members]])
        primary = torch.tensor([list(self.composite.members).index(role.primary)])
        return Choice(active, primary, active.float())
