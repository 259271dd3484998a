"""A frozen language model cut into stacks of layers that can be run one by one."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel

from experts.errors import ConfigError
from experts.fused.composites.mixture_of_thoughts.interaction import cut
from experts.fused.composites.mixture_of_thoughts.lockstep import FINAL_NORMS, part_of


class StackedModel:
    """A causal model whose residual stream can be read and changed between its stacks.

    The layers are the model's own, and so are all its weights: nothing is copied. It is not a
    module, so that no optimiser sees its parameters.
    """

    def __init__(self, name: str, model: PreTrainedModel, stacks: int) -> None:
        """Cut `model`. Raises ConfigError for an architecture that has no plain list of layers."""
        model.eval()
        model.requires_grad_(False)
        base: Any = model.base_model
        layers = getattr(base, "layers", None)
        norm = next(
            (one for one in FINAL_NORMS if isinstance(getattr(base, one, None), nn.Module)), ""
        )
        if not isinstance(layers, nn.ModuleList) or not norm:
            raise ConfigError(
                f"{name}: a {model.config.model_type} model cannot be cut into stacks of layers."
            )
        self.model = model
        self.width = int(model.config.hidden_size)
        self._norm: nn.Module = getattr(base, norm)
        self.bounds = cut(len(layers), stacks)
        self._stacks = [part_of(base, norm, *bounds) for bounds in self.bounds]

    def embed(self, tokens: Tensor) -> Tensor:
        """The residual stream before the first stack: [B, T] to [B, T, width]."""
        embedded: Tensor = self.model.get_input_embeddings()(tokens)
        return embedded

    def run(self, stack: int, stream: Tensor) -> Tensor:
        """Pass the whole stream [B, T, width] through one stack."""
        done = self._stacks[stack](inputs_embeds=stream, use_cache=False)
        found: Tensor = done.last_hidden_state
        return found

    def run_after(self, stack: int, stream: Tensor, past: "Past") -> Tensor:
        """Pass what is new of one stream [1, new, width] through one stack, and keep it."""
        begin, end = past.length, past.length + stream.shape[1]
        done = self._stacks[stack](
            inputs_embeds=stream,
            position_ids=torch.arange(begin, end)[None],
            past_key_values=past.caches[stack],
            use_cache=True,
        )
        found: Tensor = done.last_hidden_state
        return found

    def log_probs(self, stream: Tensor) -> Tensor:
        """What the model expects next after the last stack: [N, width] to [N, V], in nats."""
        logits: Tensor = self.model.get_output_embeddings()(self._norm(stream))
        return logits.float().log_softmax(-1)


class Past:
    """The keys and values of all that one member has read of one text, stack by stack."""

    def __init__(self, member: StackedModel) -> None:
        self.caches = [_PartCache(begin) for begin, _ in member.bounds]
        self.length = 0
        """Tokens that every stack has read."""


class _PartCache(DynamicCache):  # type: ignore[misc]
    """A cache for layers that are numbered as in the whole model."""

    def __init__(self, first: int) -> None:
        super().__init__()
        self._first = first

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = super().update(
            key_states, value_states, layer_idx - self._first, *args, **kwargs
        )
        return found
