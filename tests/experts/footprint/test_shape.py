"""What a token takes in the KV cache, by the configurations of real models."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.footprint.shape import read_shape, shape_of

ZOO = Path(__file__).parents[3] / "experts" / "zoo" / "weights"

SMOLLM2 = {
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "max_position_embeddings": 8192,
    "vocab_size": 49152,
    "torch_dtype": "bfloat16",
}


@pytest.mark.parametrize(
    ("config", "numbers"),
    [
        (SMOLLM2, 30 * 2 * 3 * 64),
        ({**SMOLLM2, "head_dim": 128}, 30 * 2 * 3 * 128),
        ({"n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024}, 12 * 2 * 768),
        (
            {"hidden_size": 64, "n_layer": 2, "n_head": 8, "multi_query": True},
            2 * 2 * 8,
        ),
        ({**SMOLLM2, "kv_lora_rank": 512, "qk_rope_head_dim": 64}, 30 * (512 + 64)),
        ({"text_config": SMOLLM2, "vision_config": {}}, 30 * 2 * 3 * 64),
    ],
    ids=["grouped", "own head size", "gpt2's names", "multi-query", "latent", "nested"],
)
def test_kv_numbers_of_a_token(config: dict[str, Any], numbers: int) -> None:
    assert shape_of(config).kv_numbers == numbers


def test_a_quantised_checkpoint_names_its_method() -> None:
    config = {**SMOLLM2, "quantization_config": {"quant_method": "awq", "bits": 4}}
    assert shape_of(config).quantised == "awq"
    assert shape_of(SMOLLM2).quantised is None


def members_of(folder: str) -> list[int]:
    config = json.loads((ZOO / folder / "config.json").read_text())
    return [shape_of(member["config"]).kv_numbers for member in config["members"].values()]


def test_a_fused_folder_has_the_caches_of_all_its_members() -> None:
    fused = read_shape(ZOO / "thoughts")
    assert fused is not None
    assert fused.kv_numbers == sum(members_of("thoughts"))


def test_fusion_route_has_its_routers_cache_too() -> None:
    fused = read_shape(ZOO / "fusion_route")
    config = json.loads((ZOO / "fusion_route" / "config.json").read_text())
    assert fused is not None
    router = shape_of(config["router"]).kv_numbers
    assert fused.kv_numbers == sum(members_of("fusion_route")) + router


def test_self_contrast_keeps_two_streams_and_the_sequence_form_its_interactions() -> None:
    member = {"path": "m", "config": SMOLLM2}
    base = {"model_type": "coterie_composite", "members": {"a": member, "b": member}}
    one = shape_of(SMOLLM2).kv_numbers
    alone = {**base, "architectures": ["CoterieSelfContrast"], "members": {"a": member}}
    assert shape_of(alone).kv_numbers == 2 * one
    thoughts = {"places": [1, 2], "shared_width": 64, "attention": "sequence"}
    sequence = {**base, **thoughts, "architectures": ["CoterieMixtureOfThoughts"]}
    assert shape_of(sequence).kv_numbers == 2 * one + 2 * 2 * 2 * 64


def test_a_fused_folder_with_a_quantised_member_says_so() -> None:
    quantised = {**SMOLLM2, "quantization_config": {"quant_method": "awq"}}
    members = {"a": {"path": "a", "config": SMOLLM2}, "b": {"path": "b", "config": quantised}}
    fused = {"model_type": "coterie_composite", "architectures": ["CoterieContrast"]}
    assert shape_of({**fused, "members": members}).quantised == "awq"


VALUES = st.none() | st.integers(-1, 4) | st.text(max_size=3) | st.lists(st.integers(), max_size=2)


@given(st.dictionaries(st.sampled_from([*SMOLLM2, "text_config", "members"]), VALUES))
def test_no_configuration_breaks_the_reader(tmp_path_factory: Any, config: Any) -> None:
    folder = tmp_path_factory.mktemp("model")
    (folder / "config.json").write_text(json.dumps(config))
    shape = read_shape(folder)
    assert shape is None or shape.kv_numbers >= 0


@pytest.mark.parametrize(("tied", "matrices"), [(None, 1), (True, 1), (False, 2)])
def test_a_head_with_weights_of_its_own_counts(tied: bool | None, matrices: int) -> None:
    said = {} if tied is None else {"tie_word_embeddings": tied}
    assert shape_of({**SMOLLM2, **said}).embeddings == matrices * 49152 * 576
