"""What no slot can hold is said before anything is loaded, by the key that says it."""

import json
from pathlib import Path
from typing import Any

import pytest
from config_files import HUB, problems_of, safetensors

from orchestrator.config.memory_checks import describe, footprints
from orchestrator.config.model import load_config

SHAPE = {
    # Of which no tensor is known by its name: these checkpoints have one.
    "architectures": ["CohereForCausalLM"],
    "model_type": "cohere",
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "max_position_embeddings": 8192,
    "vocab_size": 49152,
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A checkpoint of 135 million parameters, as far as its headers say."""
    return checkpoint(tmp_path / "model", 134_515_008)


def checkpoint(folder: Path, parameters: int, **config: Any) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({**SHAPE, **config}))
    (folder / "tokenizer.json").write_text("{}")
    offsets = [0, 2 * parameters]
    header = json.dumps({"w": {"dtype": "BF16", "shape": [parameters], "data_offsets": offsets}})
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header.encode())
        file.truncate(8 + len(header) + 2 * parameters)  # A hole: it takes no room on the disk.
    return folder


def vllm(folder: Path, **keys: Any) -> dict[str, Any]:
    return {"type": "vllm", "model": str(folder), **keys}


def test_four_lines_are_valid_on_the_default_slot(write: Any, model: Path) -> None:
    config = load_config(write({"experts": {"smol": vllm(model)}, "slots": {"gpus": 0}}))
    found = footprints(config.experts, config.slots)["smol"]
    assert found.max_model_len == 8192
    assert "context 8,192 tokens" in describe("smol", found, {})


def test_weights_that_no_slot_can_hold(write: Any, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "large", 7_000_000_000)
    (problem,) = problems_of(write({"experts": {"big": vllm(folder)}, "slots": {"gpus": 1}}))
    assert problem.startswith("experts.big.model: its weights alone take 13.04 GB in bfloat16")
    assert "slots.memory_gb" in problem


def test_a_context_that_was_asked_for_and_does_not_fit(write: Any, model: Path) -> None:
    args = {"max_model_len": 8192, "dtype": "float32"}
    tree = {"experts": {"smol": vllm(model, engine_args=args)}}
    (problem,) = problems_of(write({**tree, "slots": {"memory_gb": 1.6, "gpus": 0}}))
    assert problem.startswith("experts.smol.engine_args.max_model_len: ")
    assert "raise slots.memory_gb" in problem


def test_a_context_that_nobody_asked_for_falls_to_what_fits(write: Any, model: Path) -> None:
    slots = {"memory_gb": 1.6, "gpus": 0, "engine_args": {"dtype": "float32"}}
    config = load_config(write({"experts": {"smol": vllm(model)}, "slots": slots}))
    found = footprints(config.experts, config.slots)["smol"]
    assert found.shortened
    assert "of 8,192 tokens (what fits)" in describe("smol", found, {})


def test_a_cache_that_holds_no_whole_request(write: Any, model: Path) -> None:
    args = {"kv_cache_memory_bytes": 64 << 20, "max_model_len": 8192, "dtype": "float32"}
    (problem,) = problems_of(
        write({"experts": {"a": HUB, "smol": vllm(model)}, "slots": {"engine_args": args}})
    )
    assert problem.startswith("slots.engine_args.max_model_len: ")
    assert "slots.engine_args.kv_cache_memory_bytes" in problem


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text('{"r": 8}')
    (folder / "adapter_model.safetensors").write_bytes(safetensors())
    return folder


def test_on_a_gpu_adapters_need_half_precision(write: Any, model: Path, adapter: Path) -> None:
    experts = {
        "base": vllm(model, engine_args={"dtype": "float32"}),
        "tuned": vllm(adapter, adapter_of="base"),
    }
    (problem,) = problems_of(write({"experts": experts, "slots": {"gpus": 1}}))
    assert problem == (
        "experts.base.engine_args.dtype: on a GPU, LoRA adapters (tuned) need float16 or bfloat16."
    )
    load_config(write({"experts": experts, "slots": {"gpus": 0}}))


def test_more_gpus_than_a_slot_has(write: Any, model: Path) -> None:
    expert = vllm(model, engine_args={"tensor_parallel_size": 4})
    (problem,) = problems_of(write({"experts": {"a": expert}, "slots": {"gpus": 2}}))
    assert problem.startswith("experts.a.engine_args.tensor_parallel_size: 4 GPUs")


def test_a_fused_expert_runs_on_one_gpu(write: Any) -> None:
    zoo = Path(__file__).parents[3] / "experts" / "zoo" / "weights"
    tree = {"experts": {"fused": vllm(zoo / "fusion_route")}, "slots": {"gpus": 2}}
    (problem,) = problems_of(write(tree))
    assert problem.startswith("experts.fused.model: a fused expert runs on one GPU")


def test_a_quantised_checkpoint_is_served_as_it_is(write: Any, tmp_path: Path) -> None:
    method = {"quant_method": "awq", "bits": 4}
    folder = checkpoint(tmp_path / "small", 1000, quantization_config=method)
    config = load_config(write({"experts": {"a": vllm(folder)}, "slots": {"gpus": 1}}))
    assert footprints(config.experts, config.slots)["a"].dtype == "bfloat16"


def test_no_room_for_any_context_is_a_mistake(write: Any, model: Path) -> None:
    slots = {"memory_gb": 1, "gpus": 0, "engine_args": {"dtype": "float32"}}
    (problem,) = problems_of(write({"experts": {"smol": vllm(model)}, "slots": slots}))
    assert problem.startswith("experts.smol.model: there is no room for even 64 tokens")
    assert "0.8 GB for the slot's process. Raise slots.memory_gb." in problem


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"max_num_seqs": -3}, "max_num_seqs: must be 1 or more, not -3."),
        ({"max_model_len": 0}, "max_model_len: must be 1 or more, not 0."),
        ({"tensor_parallel_size": 2}, "tensor_parallel_size: a slot on a CPU has one process"),
    ],
)
def test_counts_that_no_engine_takes(write: Any, model: Path, args: Any, said: str) -> None:
    tree = {"experts": {"smol": vllm(model, engine_args=args)}, "slots": {"gpus": 0}}
    assert any(f"engine_args.{said}" in problem for problem in problems_of(write(tree)))


def test_a_hub_id_that_is_not_here_while_nothing_is_downloaded(
    write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    tree = {"experts": {"a": HUB}, "slots": {"offline": True}}
    (problem,) = problems_of(write(tree))
    assert problem.startswith("experts.a.model: org/model is not in the Hugging Face cache")


def test_a_path_that_is_no_hub_id(write: Any) -> None:
    expert = {"type": "vllm", "model": "out/real/model"}
    (problem,) = problems_of(write({"experts": {"a": expert}}))
    assert "write ./out/real/model for a folder beside this file" in problem


def test_every_expert_is_checked_whatever_is_wrong_with_another(write: Any, model: Path) -> None:
    first = vllm(model, memory_gb=9)
    second = vllm(model, engine_args={"max_model_len": 8192, "dtype": "float32"})
    slots = {"memory_gb": 1.6, "gpus": 0}
    problems = problems_of(write({"experts": {"first": first, "second": second}, "slots": slots}))
    assert [problem.partition(": ")[0] for problem in problems] == [
        "experts.first.memory_gb",
        "experts.second.engine_args.max_model_len",
    ]


def test_a_cache_of_next_to_nothing_is_named(write: Any, model: Path) -> None:
    expert = vllm(model, engine_args={"kv_cache_memory_bytes": 1000})
    (problem,) = problems_of(write({"experts": {"a": expert}, "slots": {"gpus": 0}}))
    assert problem.endswith("Raise experts.a.engine_args.kv_cache_memory_bytes.")


def test_a_cache_that_makes_an_engine_larger_than_a_slot(write: Any, model: Path) -> None:
    expert = vllm(model, engine_args={"kv_cache_memory_bytes": 99_999_999_999})
    (problem,) = problems_of(write({"experts": {"a": expert}, "slots": {"gpus": 0}}))
    assert problem.startswith("experts.a.engine_args.kv_cache_memory_bytes: a KV cache of 93.13 GB")
    assert "does not fit into a slot of 4 GB (slots.memory_gb)" in problem


@pytest.mark.parametrize("role", [{}, {"same_as": "other"}])
def test_answers_longer_than_the_context(write: Any, model: Path, role: dict[str, Any]) -> None:
    long = {"defaults": {"max_tokens": 100_000}}
    expert = {"type": "vllm", **role, **long} if role else vllm(model, **long)
    tree = {"experts": {"other": vllm(model), "a": expert}, "slots": {"gpus": 0, "memory_gb": 8}}
    (problem,) = problems_of(write(tree))
    assert problem.startswith("experts.a.defaults.max_tokens: 100000 leaves no room for a prompt")


def test_a_hub_id_has_no_sizes_yet(write: Any) -> None:
    config = load_config(write({"experts": {"a": HUB}, "slots": {"gpus": 0}}))
    (found,) = footprints(config.experts, config.slots).values()
    assert describe("a", found, {}) == (
        "a: dtype by vLLM; its sizes are unknown until the first load"
    )
