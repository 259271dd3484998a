"""Composites with stub members: their own code is real, nothing of vLLM's engine is needed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
import vllm_here  # noqa: F401
from torch import Tensor, nn
from vllm.forward_context import ForwardContext, get_forward_context, override_forward_context

from experts.fused.composites.contrast.model import CoterieContrast
from experts.fused.composites.fusion_route.model import CoterieFusionRoute
from experts.fused.composites.mixture_of_thoughts.model import CoterieMixtureOfThoughts
from experts.fused.composites.model import CompositeModel
from experts.fused.composites.self_contrast.model import CoterieSelfContrast
from experts.fused.folder.composite import Composite
from experts.fused.folder.member import Member
from experts.fused.folder.methods.contrast import Contrast
from experts.fused.folder.methods.fusion_route import FusionRoute
from experts.fused.folder.methods.mixture_of_thoughts import MixtureOfThoughts
from experts.fused.folder.methods.self_contrast import SelfContrast

VOCABULARY, BOS, FIRST_ROLE, WIDTH, ROWS = 40, 1, 6, 16, 32
LAYER = "first"
KINDS = ("fusion_route", "contrast", "self_contrast", "positionwise", "sequence")


class Stub(nn.Module):
    """A member: an embedding, two layers that vLLM's models would have, and a head."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.config = SimpleNamespace(hidden_size=WIDTH, num_experts_per_tok=2)
        self.embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.model = nn.Module()
        self.model.layers = nn.ModuleList(_Layer() for _ in range(2))
        self.model.norm = _Norm()
        self.head = nn.Linear(WIDTH, VOCABULARY)

    def embed_input_ids(self, input_ids: Tensor) -> Tensor:
        embedded: Tensor = self.embedding(input_ids)
        return embedded

    def compute_logits(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self.head(hidden)
        return logits

    def forward(self, input_ids: Tensor, positions: Tensor) -> Tensor:
        padding = get_forward_context().is_padding
        hidden = self.embed_input_ids(input_ids) + positions[:, None]
        if padding is not None:
            assert len(padding) == len(input_ids)
            hidden = hidden.masked_fill(padding[:, None], 0.0)
        return hidden


class _Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(WIDTH, WIDTH)

    def forward(self, _: Tensor, hidden: Tensor, residual: Tensor | None) -> tuple[Tensor, Tensor]:
        residual = hidden if residual is None else hidden + residual
        return self.inner(residual), residual


class _Norm(nn.LayerNorm):
    def __init__(self) -> None:
        super().__init__(WIDTH)

    def forward(self, hidden: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        return super().forward(hidden + residual), residual


class _Kernel(nn.Module):
    """In the place of a cached attention: what it computes is no matter here."""

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return query + key + value


def composite_of(kind: str, names: Sequence[str]) -> Composite:
    """The configuration of a composite with these members."""
    config = {"num_experts": 4} if kind == "self_contrast" else {}
    members = {name: Member(path=name, config=config) for name in names}
    first, second = names[0], names[-1]
    shared: dict[str, Any] = {"members": members, "bos_token_id": BOS, "vocab_size": VOCABULARY}
    shared["role_token_ids"] = (FIRST_ROLE, FIRST_ROLE + 1)
    plain, other = {"name": "plain"}, {"name": "other"}
    if kind == "fusion_route":
        return FusionRoute(roles=(plain, {**other, "expert": second}), router={}, **shared)
    if kind == "contrast":
        pair = {"plus": first, "minus": [[first, second], 0.5], "alpha": 0.1}
        return Contrast(roles=({**plain, "plus": first}, {**other, **pair}), **shared)
    if kind == "self_contrast":
        ranked = {**other, "beta": 0.5, "alpha": 0.1, "rank": 3}
        return SelfContrast(roles=({**plain, "beta": 0}, ranked), **shared)
    alone = {**plain, "primary": first, "active": [first]}
    heard = {**other, "primary": second, "active": [first, second]}
    layers = {"stacks": 2, "places": (0, 1), "shared_width": 64, "heads": 2, "attention": kind}
    return MixtureOfThoughts(roles=(alone, heard), **layers, **shared)


ARCHITECTURES: Mapping[str, type[CompositeModel]] = {
    "fusion_route": CoterieFusionRoute,
    "contrast": CoterieContrast,
    "self_contrast": CoterieSelfContrast,
    "positionwise": CoterieMixtureOfThoughts,
    "sequence": CoterieMixtureOfThoughts,
}


def configuration() -> Any:
    """What composites read of vLLM's configuration."""
    return SimpleNamespace(
        model_config=SimpleNamespace(hf_config=None, model="none", dtype=torch.float32),
        scheduler_config=SimpleNamespace(max_num_batched_tokens=ROWS),
        compilation_config=SimpleNamespace(
            compile_ranges_endpoints=[8, ROWS], compile_sizes=[4], static_forward_context={}
        ),
    )


def build(kind: str, blocks: int = 64) -> Any:
    """A composite of `KINDS`, on the host, whose KV cache has room for so many tokens."""
    names = ("left",) if kind == "self_contrast" else ("left", "right")
    config = configuration()
    config.model_config.hf_config = SimpleNamespace(composite=composite_of(kind, names))
    layer = SimpleNamespace(
        layer_name=LAYER, kv_cache=torch.zeros(blocks), num_kv_heads=1, head_size=1
    )
    of = "experts.fused.composites"
    with ExitStack() as stack:

        def stub(place: str, value: Any) -> None:
            stack.enter_context(patch(f"{of}.{place}", value))

        members = nn.ModuleDict({f"m_{name}": Stub(seed) for seed, name in enumerate(names)})
        stub("model.refuse_unsupported", lambda _: None)
        stub("model.build_members", lambda *_: members)
        stub("model.weight_sources", lambda *_: [])
        stub("model.first_layer", lambda _: layer)
        stub("fusion_route.model.build_language_model", lambda *_: Stub(9))
        stub("self_contrast.model.split_streams", lambda *_: None)
        stub("mixture_of_thoughts.model.CoterieMixtureOfThoughts._past", lambda *_: _Kernel())
        return ARCHITECTURES[kind](vllm_config=config)


@contextmanager
def step(table: Tensor, starts: Tensor, padding: Tensor | None = None) -> Iterator[None]:
    """A step of the engine over requests with this block table and these first rows."""
    found = SimpleNamespace(block_table=table, query_start_loc=starts)
    context = ForwardContext(
        no_compile_layers={},
        attn_metadata={LAYER: found},
        slot_mapping={},
        is_padding=padding,
    )
    with override_forward_context(context):
        yield
