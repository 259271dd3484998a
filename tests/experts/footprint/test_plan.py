"""The rule by which dtype, KV cache and context are derived."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.footprint.checkpoint import Weights
from experts.footprint.device import Device
from experts.footprint.plan import GIB, SMALLEST_CACHE, Footprint, Model, Room, derive
from experts.footprint.shape import Shape

SMOLLM2 = Model(
    Shape(30 * 2 * 3 * 64, 8192, 576, 1536, 49152, 30, dtype="bfloat16"),
    Weights(134_515_008, 0, "BF16"),
)
OLD_CPU, NEW_CPU = Device("cpu", bf16=False), Device("cpu", bf16=True)
GPU = Device("cuda")
ROOM = Room(3.2, 0.125)


def plan(
    model: Model = SMOLLM2, device: Device = OLD_CPU, room: Room = ROOM, **args: Any
) -> Footprint:
    return derive(model, args, device, room)


def of(dtype: str) -> Model:
    return replace(SMOLLM2, weights=Weights(1000, 0, dtype))


@pytest.mark.parametrize(
    ("stored", "device", "dtype"),
    [
        ("BF16", NEW_CPU, "bfloat16"),
        ("BF16", OLD_CPU, "float32"),
        ("F16", NEW_CPU, "float32"),
        ("F32", NEW_CPU, "float32"),
        ("BF16", GPU, "bfloat16"),
        ("F16", GPU, "float16"),
        ("F32", GPU, "auto"),
    ],
)
def test_the_dtype_is_what_the_device_computes_quickly(
    stored: str, device: Device, dtype: str
) -> None:
    assert plan(of(stored), device).dtype == dtype


def test_a_configured_dtype_counts() -> None:
    assert plan(dtype="float16").dtype == "float16"
    assert plan(dtype="auto").dtype == "float32"


def test_a_real_model_on_the_default_slot_has_its_whole_context() -> None:
    found = plan()
    assert found.max_model_len == 8192
    assert not found.shortened
    assert found.kv_tokens is not None
    assert found.kv_tokens >= 8192
    assert found.total_gb < 1.7


def test_a_short_context_takes_no_more_cache_than_its_share() -> None:
    found = plan(max_model_len=2048)
    assert found.kv_gb <= ROOM.gb * ROOM.kv_share
    assert 0.8 + found.total_gb < 2.5


def test_a_context_that_does_not_fit_falls_to_what_does() -> None:
    found = plan(room=Room(0.8, 0.125))
    assert found.shortened
    assert found.max_model_len is not None
    assert 128 <= found.max_model_len < 8192
    assert found.total_gb <= 0.8 + 1e-9


def test_quantised_weights_take_what_their_files_take() -> None:
    shape = replace(SMOLLM2.shape, quantised="awq") if SMOLLM2.shape else None
    found = plan(Model(shape, Weights(1000, 3 << 30, "F16")), GPU, Room(70, 0.125))
    assert found.weights_gb == pytest.approx(3.0, abs=0.01)


def test_two_gpus_share_weights_and_cache() -> None:
    one, two = (plan(SMOLLM2, Device("cuda", gpus=n), Room(70, 0.125)) for n in (1, 2))
    assert two.tp == 2
    assert two.weights_gb == pytest.approx(one.weights_gb / 2)
    assert plan(SMOLLM2, Device("cuda", gpus=2), tensor_parallel_size=1).tp == 1


def test_a_configured_cache_is_taken_as_it_is() -> None:
    assert plan(kv_cache_memory_bytes=1 << 30).kv_gb == 1.0
    assert plan(kv_cache_memory_bytes="2G").kv_gb == 2.0


def test_an_fp8_cache_holds_more_tokens() -> None:
    wide, narrow = plan(max_model_len=2048), plan(max_model_len=2048, kv_cache_dtype="fp8")
    assert (narrow.kv_tokens or 0) > 1.5 * (wide.kv_tokens or 0)
    assert narrow.kv_gb <= wide.kv_gb


def test_adapters_take_places_of_the_highest_rank() -> None:
    none, some = plan(), plan(replace(SMOLLM2, adapter_ranks=(8, 32)))
    assert none.adapters_gb == 0
    assert 0.05 < some.adapters_gb < 0.3


def test_a_hub_id_gets_a_share_of_the_slot() -> None:
    found = plan(Model())
    assert found.max_model_len is None
    assert SMALLEST_CACHE / GIB <= found.kv_gb <= ROOM.gb * ROOM.kv_share


ARGS = st.fixed_dictionaries(
    {},
    optional={
        "max_model_len": st.integers(1, 1 << 20) | st.sampled_from(["8k", "auto", -1, None]),
        "max_num_seqs": st.integers(1, 1024),
        "max_num_batched_tokens": st.integers(1, 1 << 17),
        "kv_cache_dtype": st.sampled_from(["auto", "fp8", "bfloat16"]),
        "dtype": st.sampled_from(["auto", "float32", "float16", "bfloat16"]),
        "tensor_parallel_size": st.integers(1, 8),
    },
)


@given(
    ARGS,
    st.sampled_from([OLD_CPU, NEW_CPU, GPU, Device("cuda", gpus=4)]),
    st.floats(0.1, 200),
    st.floats(0.01, 1),
    st.integers(1, 10**6),
    st.integers(1, 1 << 20),
)
def test_what_is_derived_fits_or_says_what_does(
    args: Any, device: Device, gb: float, share: float, kv_numbers: int, context: int
) -> None:
    shape = Shape(kv_numbers, context, 576, 1536, 49152, 30)
    found = derive(Model(shape, Weights(10**8, 0, "BF16")), args, device, Room(gb, share))
    beside_gb = found.weights_gb + found.adapters_gb + found.working_gb
    assert found.kv_gb >= 0
    assert found.max_model_len is not None
    if beside_gb <= gb:
        assert found.total_gb <= gb + 1e-6
    if not found.shortened:
        # A whole context fits, and a block of another request beside it.
        assert found.kv_tokens is not None
        assert found.kv_tokens >= found.max_model_len + 128


def test_what_was_measured_of_a_real_model_is_what_is_derived() -> None:
    """SmolLM2 in float32, 2,048 tokens of context, grew its slot on a CPU by 1.18 GB."""
    assert SMOLLM2.shape is not None
    real = replace(SMOLLM2, shape=replace(SMOLLM2.shape, embeddings=49152 * 576))
    found = plan(real, dtype="float32", max_model_len=2048)
    assert found.total_gb == pytest.approx(1.18, rel=0.02)


def test_a_gpu_packs_no_embedding() -> None:
    assert SMOLLM2.shape is not None
    large = replace(SMOLLM2, shape=replace(SMOLLM2.shape, embeddings=49152 * 576))
    assert plan(large, GPU).working_gb == plan(SMOLLM2, GPU).working_gb
    grown_gb = plan(large, NEW_CPU).working_gb - plan(SMOLLM2, NEW_CPU).working_gb
    assert grown_gb * GIB == pytest.approx(49152 * 576 * 2)
