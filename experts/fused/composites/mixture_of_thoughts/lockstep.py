"""Members of a composite run stack by stack, their residual streams open between two stacks."""

import copy
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from experts.errors import ConfigError
from experts.fused.composites.mixture_of_thoughts.interaction import cut

FINAL_NORMS = ("norm", "final_layer_norm", "final_layernorm", "ln_f")


class Stacks(ABC):
    """One member. Its residual stream is [rows, width], one row per token of the step."""

    @abstractmethod
    def begin(self, input_ids: Tensor) -> None:
        """Take the tokens [rows] of a step."""

    @abstractmethod
    def run(self, stack: int, positions: Tensor) -> None:
        """Pass the stream through a stack; `positions` is [rows]."""

    @property
    @abstractmethod
    def stream(self) -> Tensor:
        """The residual stream."""

    @abstractmethod
    def add(self, delta: Tensor) -> None:
        """Add [rows, width] to the stream."""

    @abstractmethod
    def end(self) -> Tensor:
        """[rows, width] hidden states after the final norm."""


class NativeStacks(Stacks):
    """A model of vLLM's own, whose layers hand on what they add apart from the stream."""

    def __init__(self, model: Any, stacks: int) -> None:
        self._model = model
        self._norm = model.model.norm
        layers = list(model.model.layers)
        self._stacks = [layers[begin:end] for begin, end in cut(len(layers), stacks)]
        self._hidden: Any = None
        self._residual: Any = None

    def begin(self, input_ids: Tensor) -> None:
        self._hidden, self._residual = self._model.embed_input_ids(input_ids), None

    def run(self, stack: int, positions: Tensor) -> None:
        for layer in self._stacks[stack]:
            self._hidden, self._residual = layer(positions, self._hidden, self._residual)

    @property
    def stream(self) -> Tensor:
        whole: Tensor = self._hidden if self._residual is None else self._hidden + self._residual
        return whole

    def add(self, delta: Tensor) -> None:
        # Not in place: layers may still hold what they returned.
        self._hidden = self._hidden + delta

    def end(self) -> Tensor:
        if self._residual is None:
            last: Tensor = self._norm(self._hidden)
        else:
            last, _ = self._norm(self._hidden, self._residual)
        self._hidden = self._residual = None
        return last


class TransformersStacks(Stacks):
    """A model that vLLM takes from transformers (GPT-NeoX, Phi): its own parts, layers sliced."""

    def __init__(self, model: Any, norm: str, stacks: int) -> None:
        base = model.model
        self._base = base
        self._norm = getattr(base, norm)
        self._parts = [part_of(base, norm, *bounds) for bounds in cut(len(base.layers), stacks)]
        self._stream: Any = None

    def begin(self, input_ids: Tensor) -> None:
        self._stream = self._base.get_input_embeddings()(input_ids)[None]

    def run(self, stack: int, positions: Tensor) -> None:
        done = self._parts[stack](
            inputs_embeds=self._stream,
            position_ids=positions[None],
            use_cache=False,
            return_dict=False,
        )
        self._stream = done[0]

    @property
    def stream(self) -> Tensor:
        whole: Tensor = self._stream[0]
        return whole

    def add(self, delta: Tensor) -> None:
        self._stream = self._stream + delta[None]

    def end(self) -> Tensor:
        last: Tensor = self._norm(self._stream)[0]
        self._stream = None
        return last


class Absent(Stacks):
    """A member that no request of a step hears: it is not computed, and its stream is 0."""

    def __init__(self, width: int, dtype: torch.dtype) -> None:
        self._width = width
        self._dtype = dtype
        self._stream: Any = None

    def begin(self, input_ids: Tensor) -> None:
        shape = (len(input_ids), self._width)
        self._stream = torch.zeros(shape, dtype=self._dtype, device=input_ids.device)

    def run(self, stack: int, positions: Tensor) -> None:
        pass

    @property
    def stream(self) -> Tensor:
        whole: Tensor = self._stream
        return whole

    def add(self, delta: Tensor) -> None:
        pass

    def end(self) -> Tensor:
        return self.stream


def stacks_of(name: str, model: Any, stacks: int) -> Stacks:
    """Cut a member into stacks; raises ConfigError for an unsupported architecture."""
    base = getattr(model, "model", None)
    layers = getattr(base, "layers", None)
    norm = next((one for one in FINAL_NORMS if isinstance(getattr(base, one, None), nn.Module)), "")
    if not isinstance(layers, nn.ModuleList) or not norm:
        raise ConfigError(
            f"{name} ({type(model).__name__}) cannot be cut into stacks of layers.",
            hint="A Mixture of Thoughts needs members with one plain list of layers.",
        )
    if type(model).__name__.startswith("Transformers"):
        return TransformersStacks(model, norm, stacks)
    return NativeStacks(model, stacks)


def part_of(base: Any, norm: str, begin: int, end: int) -> Any:
    """A model that shares everything with `base`, but has some of its layers and no final norm."""
    part = copy.copy(base)
    part._modules = {**base._modules, "layers": base.layers[begin:end], norm: nn.Identity()}
    part.config = copy.copy(base.config)
    part.config.num_hidden_layers = end - begin
    return part
