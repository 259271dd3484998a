"""What a GPU asks of a composite: no copy from the host, no wait, inputs that stay where they are.

The members are stubs; the composites, their roles and their mixes are the real ones.
"""

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest
import torch
import vllm_here  # noqa: F401
from imagined_device import HostTouched, NoHost, imagined, like, move
from stub_composites import BOS, FIRST_ROLE, KINDS, ROWS, build, configuration, step
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch._subclasses.fake_tensor import DynamicOutputShapeException as DynamicShape
from vllm.forward_context import get_forward_context

from experts.fused.composites.request_roles import RoleMemory

pytestmark = pytest.mark.e2e

COMPILED = ("fusion_route", "contrast", "self_contrast")
"""Kinds whose members vLLM compiles, and captures piece by piece."""
TEXT = 20


def ints(*values: int, kind: torch.dtype = torch.int32) -> Tensor:
    return torch.tensor(values, dtype=kind)


def batch(role: int, text: int) -> tuple[Tensor, ...]:
    """Two new requests, in blocks 3 and 5, and a row or two of padding."""
    ids = ints(FIRST_ROLE + role, text, BOS, text + 1, text)
    positions = ints(0, 1, 0, 1, 0, kind=torch.int64)
    padding = torch.tensor([False] * 3 + [bool(text % 2), True])
    return ids, positions, ints(3, 5)[:, None], ints(0, 2, 4 - text % 2), padding


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_a_step_neither_copies_from_the_host_nor_waits_for_the_device(kind: str) -> None:
    composite, real = build(kind), batch(1, TEXT)
    layer = composite._first_layer[0]
    with imagined() as device:
        move(composite, device)
        layer.kv_cache = like(layer.kv_cache, device)
        ids, positions, table, starts, padding = (like(one, device) for one in real)
        with NoHost(), step(table, starts, padding):
            wide = composite(ids, positions)
            logits = composite.compute_logits(wide[1::2])
    assert wide.shape == (5, sum(composite.widths) + 1)
    assert logits.shape == (2, 40)
    assert {wide.device, logits.device} == {device}


@pytest.mark.parametrize(
    ("touch", "error"),
    [
        (lambda one: one[[0, 1]], NotImplementedError),
        (lambda one: one + torch.tensor([1, 2], device=one.device), NotImplementedError),
        (lambda one: one.copy_(torch.zeros(2)), HostTouched),
        (lambda one: one.cpu(), HostTouched),
        (lambda one: bool(one.any()), DataDependentOutputException),
        (lambda one: one.tolist(), DataDependentOutputException),
        (lambda one: one[one > 0], DynamicShape),
    ],
)
def test_the_imagined_device_notices_copies_and_waits(
    touch: Callable[[Tensor], Any], error: type[Exception]
) -> None:
    with imagined() as device:
        one = torch.zeros(2, device=device)
        with NoHost(), pytest.raises(error):
            touch(one)


class Captured(nn.Module):
    """Runs a member as piecewise CUDA graphs do.

    What it reads is where the first call of this size had it, and what it returns is in memory
    that all graphs share.
    """

    def __init__(self, member: Any, pool: Tensor) -> None:
        super().__init__()
        self.member, self.config, self.compute_logits = member, member.config, member.compute_logits
        self._pool = pool
        self._read: dict[int, tuple[Tensor, ...]] = {}

    def forward(self, input_ids: Tensor, positions: Tensor) -> Tensor:
        context = get_forward_context()
        now = (input_ids, positions, context.is_padding)
        *inputs, context.is_padding = self._read.setdefault(len(input_ids), now)
        found = self.member(*inputs)
        shared: Tensor = self._pool[: len(found)].copy_(found)
        return shared


@pytest.mark.parametrize("kind", COMPILED)
@torch.inference_mode()
def test_captured_members_read_every_steps_inputs_and_keep_no_outputs(kind: str) -> None:
    eager, graphs = build(kind), build(kind)
    pool = torch.zeros(2 * ROWS, 16)
    for name, member in graphs.members.items():
        graphs.members[name] = Captured(member, pool)
    if kind == "fusion_route":
        graphs.router = Captured(graphs.router, pool)
    if kind == "self_contrast":
        graphs._member = list(graphs.members.values())
    ids, positions, table, starts, padding = kept = batch(0, TEXT)
    for role, text in ((0, 20), (1, 25), (1, 30)):
        for place, values in zip(kept, batch(role, text), strict=True):
            place.copy_(values)  # As vLLM does.
        for rows in (5, 4):
            with step(table, starts, padding[:rows]):
                expected = eager(ids[:rows], positions[:rows])
            with step(table, starts, padding[:rows]):
                found = graphs(ids[:rows], positions[:rows])
            assert torch.equal(found, expected)
            logits = graphs.compute_logits(found)
            assert torch.equal(logits, eager.compute_logits(expected))


@torch.inference_mode()
def test_rows_double_for_what_self_contrast_compiles() -> None:
    composite = build("self_contrast")
    given = composite._members_config(configured := configuration())
    assert given.scheduler_config.max_num_batched_tokens == 2 * ROWS
    assert given.compilation_config.compile_ranges_endpoints == [8, 2 * ROWS]
    assert given.compilation_config.compile_sizes == [8]
    assert configured.scheduler_config.max_num_batched_tokens == ROWS
    assert configured.compilation_config.compile_ranges_endpoints == [8, ROWS]


@pytest.mark.parametrize("attended", [False, True])
def test_room_for_roles_is_made_by_any_run_with_a_cache(attended: bool) -> None:
    composite = build("contrast", blocks=64)
    ids, positions, table, starts, _ = batch(0, TEXT)
    with step(table, starts):
        if not attended:
            get_forward_context().attn_metadata = {}
        composite(ids, positions)
    assert len(composite.memory.role_of_block) == 64


def test_no_room_for_roles_is_made_while_a_graph_is_captured() -> None:
    capturing = patch("torch.cuda.is_current_stream_capturing", lambda: True)
    with FakeTensorMode():
        memory = RoleMemory([FIRST_ROLE], BOS, 40)
        memory.role_of_block = torch.zeros(8, dtype=torch.long, device="cuda")
        with capturing:
            memory.reserve(8)
            with pytest.raises(RuntimeError, match="9 KV blocks is wanted while a CUDA graph"):
                memory.reserve(9)
