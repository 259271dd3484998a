"""Members as vLLM's configuration sees them, and the layer that tells of a request's blocks."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
import vllm_here  # noqa: F401
from repository import ROOT
from torch import nn
from vllm.config import VllmConfig
from vllm.engine.arg_utils import EngineArgs
from vllm.model_executor.layers.attention import Attention

from experts.errors import ConfigError
from experts.fused.composites import members
from experts.fused.composites.members import build_language_model, first_layer

pytestmark = pytest.mark.e2e

ZOO = ROOT / "experts" / "zoo" / "weights"


@pytest.fixture(scope="module")
def engine() -> VllmConfig:
    """A whole engine's configuration; which model it is for does not matter."""
    return EngineArgs(str(ZOO / "units"), dtype="float32").create_engine_config()


def test_members_of_one_shape_do_not_share_what_is_compiled(engine: VllmConfig) -> None:
    config = json.loads((ZOO / "duo" / "config.json").read_text(encoding="utf-8"))
    built: list[VllmConfig] = []
    with patch.object(members, "initialize_model", lambda own, prefix: built.append(own)):
        for prefix in ("members.m_left", "members.m_right", "members.m_left"):
            build_language_model(engine, config, prefix)
    left, right, again = built
    # vLLM keeps a compiled forward, names of layers included, under this.
    assert left.compute_hash() == again.compute_hash() != right.compute_hash()
    left.compilation_config.cache_dir = "somewhere"
    assert right.compilation_config.cache_dir == engine.compilation_config.cache_dir == ""
    shared = {id(one.compilation_config.static_forward_context) for one in (engine, left, right)}
    assert len(shared) == 1


def layer(backend: str, window: int | None = None) -> Attention:
    made = object.__new__(Attention)
    nn.Module.__init__(made)
    made.attn_backend = SimpleNamespace(get_name=lambda: backend)
    made.sliding_window = window
    return made


def context(*layers: Attention, **scheduler: Any) -> Any:
    named = {str(number): one for number, one in enumerate(layers)}
    return SimpleNamespace(
        compilation_config=SimpleNamespace(static_forward_context=named),
        scheduler_config=SimpleNamespace(disable_hybrid_kv_cache_manager=False, **scheduler),
    )


def test_roles_are_found_by_a_layer_that_tells_its_blocks() -> None:
    silent, first, second = layer("FLASHINFER"), layer("FLASH_ATTN"), layer("TRITON_ATTN")
    assert first_layer(context(silent, first, second)) is first


@pytest.mark.parametrize(
    ("made", "hint"),
    [
        (lambda: layer("FLASHINFER"), "attention_backend: FLASH_ATTN"),
        (lambda: layer("FLASH_ATTN", window=64), "disable_hybrid_kv_cache_manager: true"),
    ],
)
def test_a_layer_by_which_no_role_is_found_is_refused(
    made: Callable[[], Attention], hint: str
) -> None:
    with pytest.raises(ConfigError) as error:
        first_layer(context(made()))
    assert hint in str(error.value.hint)
