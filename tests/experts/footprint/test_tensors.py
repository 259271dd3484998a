"""Checkpoints whose tensors are not those of their config.json are told; good ones never are."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from repository import ROOT

from experts.footprint.layouts import LAYOUTS
from experts.footprint.tensors import misplaced_tensors

ZOO = sorted((ROOT / "experts" / "zoo" / "weights").glob("*/config.json"))
LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 8,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 2,
    "intermediate_size": 12,
    "vocab_size": 20,
}
OTHER = {**LLAMA, "architectures": ["SomethingForCausalLM"]}
SMALL: dict[str, Any] = {
    "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 2,
    "intermediate_size": 96, "vocab_size": 50, "pad_token_id": 0, "head_dim": 16, "n_embd": 64,
    "n_head": 4, "n_layer": 2, "rotary_dim": 8, "num_layers": 2, "num_heads": 4,
    "word_embed_proj_dim": 32, "ffn_dim": 96, "moe_intermediate_size": 32, "d_model": 64,
    "first_k_dense_replace": 1, "n_routed_experts": 8, "n_group": 2, "topk_group": 1,
    "num_experts_per_tok": 2, "num_local_experts": 4, "num_experts": 4, "q_lora_rank": 16,
    "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 16,
    "state_size": 4, "n_groups": 1, "embedding_size": 32,
}  # fmt: skip
WITHOUT_LAYOUT = (
    "OPTForCausalLM", "FalconForCausalLM", "BloomForCausalLM", "CohereForCausalLM",
    "DeepseekV3ForCausalLM", "GPTJForCausalLM", "MambaForCausalLM", "MptForCausalLM",
    "Gemma3ForCausalLM", "ElectraForCausalLM", "NemotronForCausalLM",
)  # fmt: skip


def llama() -> dict[str, list[int]]:
    """The tensors of LLAMA."""
    tensors = {"model.embed_tokens.weight": [20, 8]}
    for layer in range(2):
        start = f"model.layers.{layer}."
        tensors |= {
            f"{start}self_attn.q_proj.weight": [8, 8],
            f"{start}self_attn.k_proj.weight": [4, 8],
            f"{start}self_attn.v_proj.weight": [4, 8],
            f"{start}self_attn.o_proj.weight": [8, 8],
            f"{start}mlp.gate_proj.weight": [12, 8],
            f"{start}mlp.up_proj.weight": [12, 8],
            f"{start}mlp.down_proj.weight": [8, 12],
        }
    return tensors


def faults(
    folder: Path, tensors: Mapping[str, Any], config: Mapping[str, Any], dtype: str = "F32"
) -> list[str]:
    """What is said of a checkpoint with such a header."""
    header = {
        name: {"dtype": dtype, "shape": list(shape), "data_offsets": [0, 0]}
        for name, shape in tensors.items()
    }
    raw = json.dumps({"__metadata__": {}, **header}).encode()
    (folder / "model.safetensors").write_bytes(len(raw).to_bytes(8, "little") + raw)
    return list(misplaced_tensors(folder, config))


@pytest.mark.parametrize("file", ZOO, ids=lambda file: file.parent.name)
def test_the_zoo_is_right(file: Path) -> None:
    assert list(misplaced_tensors(file.parent, json.loads(file.read_text()))) == []


@pytest.mark.slow
@pytest.mark.parametrize("architecture", [*LAYOUTS, *WITHOUT_LAYOUT])
def test_what_transformers_makes_is_right(tmp_path: Path, architecture: str) -> None:
    import torch  # noqa: PLC0415
    import transformers  # noqa: PLC0415

    kind = getattr(transformers, architecture)
    known = kind.config_class().to_dict()
    config = kind.config_class(**{key: SMALL[key] for key in SMALL if key in known})
    with torch.device("meta"):
        made = kind(config).state_dict()
    tree = {**config.to_dict(), "architectures": [architecture]}
    assert faults(tmp_path, {name: tensor.shape for name, tensor in made.items()}, tree) == []


def test_a_missing_projection_is_told(tmp_path: Path) -> None:
    tensors = llama()
    del tensors["model.layers.1.self_attn.q_proj.weight"]
    (fault,) = faults(tmp_path, tensors, LLAMA)
    assert fault.startswith("its weights lack model.layers.1.self_attn.q_proj.weight; copy")


def test_many_missing_ones_are_one_sentence(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, llama(), {**LLAMA, "num_hidden_layers": 4})
    assert "model.layers.2.self_attn.q_proj.weight (14 are missing)" in fault


def test_more_layers_than_the_configuration_has_are_told(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, llama(), {**LLAMA, "num_hidden_layers": 1})
    assert fault == "its weights have 2 layers, and its config.json has 1."


@pytest.mark.parametrize(
    ("key", "value", "tensor"),
    [
        ("vocab_size", 21, "model.embed_tokens.weight is 20 x 8"),
        ("num_key_value_heads", 4, "model.layers.0.self_attn.k_proj.weight is 4 x 8"),
        ("head_dim", 4, "model.layers.0.self_attn.q_proj.weight is 8 x 8"),
        ("intermediate_size", 16, "model.layers.0.mlp.gate_proj.weight is 12 x 8"),
    ],
)
def test_another_shape_is_told(tmp_path: Path, key: str, value: int, tensor: str) -> None:
    (fault,) = faults(tmp_path, llama(), {**LLAMA, key: value})
    assert fault.startswith(f"{tensor}, and by its config.json it is ")


def test_what_the_configuration_does_not_say_is_not_compared(tmp_path: Path) -> None:
    silent = {key: LLAMA[key] for key in ("architectures", "num_hidden_layers")}
    assert faults(tmp_path, llama(), silent) == []


def test_a_wrapper_in_the_names_is_told(tmp_path: Path) -> None:
    wrapped = {f"module.{name}": shape for name, shape in llama().items()}
    (fault,) = faults(tmp_path, wrapped, LLAMA)
    assert "begin with `module.`, which those of LlamaForCausalLM do not" in fault


def test_names_of_another_family_are_told(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, {"wte.weight": [20, 8]}, LLAMA)
    assert "lack model.embed_tokens.weight, which LlamaForCausalLM has" in fault


@pytest.mark.parametrize("fused", ["qkv", "gate_up"])
def test_fused_projections_are_as_good(tmp_path: Path, fused: str) -> None:
    tensors = llama()
    for layer in range(2):
        start = f"model.layers.{layer}."
        parts = {"qkv": ("self_attn", "q", "k", "v"), "gate_up": ("mlp", "gate", "up")}[fused]
        rows = [tensors.pop(f"{start}{parts[0]}.{one}_proj.weight")[0] for one in parts[1:]]
        tensors[f"{start}{parts[0]}.{fused}_proj.weight"] = [sum(rows), 8]
    assert faults(tmp_path, tensors, LLAMA) == []


def test_packed_weights_have_other_names_and_shapes(tmp_path: Path) -> None:
    packed = {
        (name if "embed" in name else name.replace(".weight", ".qweight")): [1, 1]
        for name in llama()
    }
    quantised = {**LLAMA, "quantization_config": {"quant_method": "gptq"}}
    assert faults(tmp_path, packed, quantised, dtype="I32") == []
    del packed["model.layers.1.mlp.up_proj.qweight"]
    (fault,) = faults(tmp_path, packed, quantised, dtype="I32")
    assert "model.layers.1.mlp.up_proj.weight" in fault


@pytest.mark.parametrize("method", ["awq", "gptq"])
def test_weights_that_are_not_quantised_as_is_said(tmp_path: Path, method: str) -> None:
    quantised = {**LLAMA, "quantization_config": {"quant_method": method}}
    (fault,) = faults(tmp_path, llama(), quantised)
    assert f"quantised by `{method}`, and none of its tensors is" in fault


def test_of_an_unknown_architecture_only_layers_and_width_are_compared(tmp_path: Path) -> None:
    tensors = {"a.layers.0.x.weight": [1], "a.layers.1.x.weight": [1], "wte.weight": [20, 8]}
    assert faults(tmp_path, tensors, OTHER) == []
    (fault,) = faults(tmp_path, tensors, {**OTHER, "num_hidden_layers": 3})
    assert "have 2 layers, and its config.json has 3" in fault
    (fault,) = faults(tmp_path, tensors, {**OTHER, "hidden_size": 9})
    assert "embedding is 8 wide, and its config.json says 9" in fault


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    assert list(misplaced_tensors(tmp_path, LLAMA)) == []
    (tmp_path / "consolidated.safetensors").write_bytes(b"x")
    assert list(misplaced_tensors(tmp_path, LLAMA)) == []
