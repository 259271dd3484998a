"""The models of FusionRoute: frozen experts, and a router that has a head over them."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from experts.fused.training.models import hidden_states, load_model
from experts.fused.training.tokens import token_log_probs


class FusionRouter(nn.Module):
    """The trained part: a causal model and a linear head that weighs the experts.

    The head reads the last hidden state after the model's final norm (section 3.1). It starts
    at zero: every expert weighs the same.
    """

    def __init__(self, router: PreTrainedModel, members: int) -> None:
        super().__init__()
        self.router = router
        self.route_head = nn.Linear(router.config.hidden_size, members, bias=False)
        nn.init.zeros_(self.route_head.weight)

    def forward(self, tokens: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Read tokens [B, T] and answer at N positions [B, T - 1].

        Returns the log-probabilities of the next token [N, V], in nats, and the head's raw
        outputs [N, n].
        """
        hidden = hidden_states(self.router, tokens)[:, :-1][positions]
        logits = self.router.get_output_embeddings()(hidden)
        return logits.float().log_softmax(-1), self.route_head(hidden).float()


class Members:
    """The frozen experts, in the order of the head's outputs."""

    def __init__(self, models: Mapping[str, PreTrainedModel]) -> None:
        self.models = dict(models)
        for model in self.models.values():
            model.eval()
            model.requires_grad_(False)

    @property
    def names(self) -> tuple[str, ...]:
        """The experts' names."""
        return tuple(self.models)

    @torch.no_grad()
    def log_probs(self, name: str, tokens: Tensor, positions: Tensor) -> Tensor:
        """Compute an expert's log-probabilities of the next token: [N, V], in nats."""
        model = self.models[name]
        hidden = hidden_states(model, tokens)[:, :-1][positions]
        logits: Tensor = model.get_output_embeddings()(hidden)
        return logits.float().log_softmax(-1)

    @torch.no_grad()
    def read(self, name: str, tokens: Tensor, positions: Tensor, kept: int) -> dict[str, Tensor]:
        """Compare an expert with the N right tokens.

        Returns their `nll` [N], in nats, and the expert's `kept` most likely tokens, `best`
        int32 and `best_log_probs` float16, both [N, kept].
        """
        log_probs = self.log_probs(name, tokens, positions)
        targets = tokens[:, 1:][positions]
        values, best = log_probs.topk(min(kept, log_probs.shape[-1]))
        return {
            "nll": -token_log_probs(log_probs, targets),
            "best": best.to(torch.int32),
            "best_log_probs": values.half(),
        }


def load_members(folders: Mapping[str, Path]) -> Members:
    """Load the experts. Raises ConfigError for one that cannot be a member."""
    return Members({name: load_model(name, folder) for name, folder in folders.items()})
