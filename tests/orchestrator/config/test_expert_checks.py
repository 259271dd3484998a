"""What experts lack on the disk, and what no slot can hold, is named."""

from pathlib import Path
from typing import Any

import pytest
from config_files import HUB, REMOTE, problems_of, write_checkpoint

from orchestrator.config.model import load_config


@pytest.mark.parametrize(
    ("missing", "adapter", "said"),
    [
        ("config.json", False, "is a LoRA adapter; add `adapter_of: NAME`"),
        ("adapter_config.json", True, "is a whole model, not a LoRA adapter"),
        ("model.safetensors", False, "has no weights"),
    ],
)
def test_what_a_checkpoint_lacks_is_named(
    write: Any, weights: Path, missing: str, adapter: bool, said: str
) -> None:
    (weights / missing).unlink()
    expert = {"type": "vllm", "model": "./weights", **({"adapter_of": "b"} if adapter else {})}
    (problem,) = problems_of(write({"experts": {"a": expert, "b": HUB}}))
    assert problem.startswith("experts.a.model: ")
    assert said in problem


def test_a_checkpoint_whose_config_is_not_json_is_named(write: Any, weights: Path) -> None:
    (weights / "config.json").write_text("{")
    (problem,) = problems_of(write({"experts": {"a": {"type": "vllm", "model": "./weights"}}}))
    assert "is not JSON" in problem


def test_an_expert_that_no_slot_can_hold_is_refused(write: Any, weights: Path) -> None:
    path = write(
        {
            "experts": {"big": {"type": "vllm", "model": str(weights), "memory_gb": 9}},
            "slots": {"memory_gb": 8},
        }
    )
    assert problems_of(path) == (
        "experts.big.memory_gb: 9.00 GB do not fit into a slot of 8 GB (slots.memory_gb).",
    )


def test_a_pinned_expert_with_an_idle_limit_is_refused(write: Any, weights: Path) -> None:
    spec = {"type": "vllm", "model": str(weights), "pin": True, "max_idle_s": 5}
    problems = problems_of(write({"experts": {"a": spec}}))
    assert "experts.a.max_idle_s: a pinned expert never leaves" in problems[0]


ROLE = {"type": "vllm", "same_as": "a"}


def test_a_role_has_the_model_of_its_expert(write: Any, weights: Path) -> None:
    experts = {"a": {"type": "vllm", "model": "./weights"}, "b": {**ROLE, "system": "Be short."}}
    config = load_config(write({"experts": experts}))
    assert config.hosted()["b"].model == config.hosted()["a"].model == str(weights)
    assert config.hosted()["b"].base == "a"


@pytest.mark.parametrize(
    ("experts", "said"),
    [
        ({"a": HUB, "b": {**ROLE, "same_as": "c"}}, "b.same_as: no expert is called `c`."),
        (
            {"a": HUB, "b": ROLE, "c": {**ROLE, "same_as": "b"}},
            "c.same_as: `b` is itself a role of `a`; name `a` here.",
        ),
        ({"a": REMOTE, "b": ROLE}, "b.same_as: `a` is of type openai; another role needs"),
        ({"b": {**ROLE, "same_as": "b"}}, "b.same_as: it names itself"),
        ({"apple": HUB, "b": {**ROLE, "same_as": "aple"}}, "Did you mean `apple`?"),
        (
            {"a": HUB, "b": {**HUB, "adapter_of": "a"}, "c": {**ROLE, "same_as": "b"}},
            "c.same_as: `b` is a LoRA adapter; for another role of it, repeat its `adapter_of: a`",
        ),
        ({"a": REMOTE, "b": {**HUB, "adapter_of": "a"}}, "an adapter needs an expert of type"),
        (
            {"a": HUB, "b": {**HUB, "adapter_of": "a"}, "c": {**HUB, "adapter_of": "b"}},
            "c.adapter_of: `b` is itself an adapter of `a`",
        ),
        (
            {"a": HUB, "b": {**ROLE, "model": "org/other"}},
            "b.model: `a` names the model; leave it out.",
        ),
        ({"a": HUB, "b": {**ROLE, "engine_args": {"seed": 1}}}, "b.engine_args: it shares"),
        (
            {"a": HUB, "b": {**ROLE, "adapter_of": "a"}},
            "`adapter_of` and `same_as` exclude each other",
        ),
        ({"a": {**HUB, "defaults": {"temperature": 3}}}, "a.defaults.temperature"),
        ({"a": {**HUB, "defaults": {"heat": 1}}}, "a.defaults.heat"),
        ({"a": {**HUB, "system": ""}}, "a.system"),
    ],
)
def test_roles_that_cannot_be_are_refused(write: Any, experts: Any, said: str) -> None:
    assert any(said in problem for problem in problems_of(write({"experts": experts})))


@pytest.mark.parametrize(
    "keys",
    [
        {"adapter_of": "b"},
        {"engine_args": {"tokenizer": "org/other"}},
        {"engine_args": {"skip-tokenizer-init": True}},
    ],
    ids=str,
)
def test_an_expert_with_a_tokenizer_from_elsewhere_needs_none(
    write: Any, weights: Path, keys: dict[str, Any]
) -> None:
    (weights / "tokenizer.json").unlink()
    spec = {"type": "vllm", "model": str(weights), **keys}
    load_config(write({"experts": {"a": spec, "b": HUB}}))


LONG = {"slots": {"engine_args": {"max_model_len": 4096}}}


def test_a_length_over_the_models_own_is_refused_for_those_that_use_it(
    write: Any, weights: Path
) -> None:
    spec = {"type": "vllm", "model": str(weights)}
    shorter = {**spec, "engine_args": {"max_model_len": 2048}}
    (problem,) = problems_of(write({"experts": {"a": spec, "b": shorter}, **LONG}))
    assert problem.startswith("slots.engine_args.max_model_len: 4096 is more than the 2048 tokens")
    assert "the model of `a`" in problem


def test_vllms_own_leave_for_longer_contexts_counts(
    write: Any, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_ALLOW_LONG_MAX_MODEL_LEN", "1")
    load_config(write({"experts": {"a": {"type": "vllm", "model": str(weights)}}, **LONG}))


# What config.json and the weights say.


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ([], "must be a mapping of keys"),
        ({"architectures": "LlamaForCausalLM"}, "architectures: must be a list"),
        ({"architectures": ["LLamaForCausalLM"]}, "did you mean `LlamaForCausalLM`?"),
        ({"model_type": "lama"}, "did you mean `llama`?"),
        ({"model_type": None}, "model_type: this key is missing"),
        ({"quantization_config": {"quant_method": "awqq"}}, "did you mean `awq`?"),
        ({"quantization_config": 4}, "quantization_config: must be a mapping"),
        ({"num_hidden_layers": 2}, "its weights lack model.layers.0.self_attn.q_proj.weight"),
        ({"architectures": ["GPT2LMHeadModel"]}, "lack transformer.wte.weight"),
    ],
    ids=str,
)
def test_a_config_json_that_cannot_be_served_is_refused(
    write: Any, tmp_path: Path, config: Any, said: str
) -> None:
    folder = write_checkpoint(tmp_path / "a", **(config if isinstance(config, dict) else {}))
    if not isinstance(config, dict):
        (folder / "config.json").write_text("[]")
    (problem,) = problems_of(write({"experts": {"a": {"type": "vllm", "model": "./a"}}}))
    assert problem.startswith("experts.a.model: ")
    assert said in problem


@pytest.mark.parametrize(
    "args", [{"hf_overrides": {"num_hidden_layers": 0}}, {"load_format": "dummy"}], ids=str
)
def test_who_reads_it_otherwise_is_not_told(
    write: Any, tmp_path: Path, args: dict[str, Any]
) -> None:
    write_checkpoint(tmp_path / "a", num_hidden_layers=2)
    load_config(write({"experts": {"a": {"type": "vllm", "model": "./a", "engine_args": args}}}))


def test_code_of_its_own_may_bring_any_architecture(write: Any, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "a", architectures=["Mine"], model_type="mine", auto_map={})
    load_config(write({"experts": {"a": {"type": "vllm", "model": "./a"}}}))


def test_a_folder_with_gguf_alone_says_how_to_convert_it(write: Any, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "model.gguf").write_bytes(b"GGUF")
    (problem,) = problems_of(write({"experts": {"a": {"type": "vllm", "model": "./a"}}}))
    assert "weights in GGUF alone" in problem
    assert "docs/guides/your-own-model.md" in problem


def test_an_adapter_given_as_a_model_is_told_its_base(write: Any, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base"}')
    (folder / "adapter_model.safetensors").write_bytes(b"")
    (problem,) = problems_of(write({"experts": {"a": {"type": "vllm", "model": "./a"}}}))
    assert "is a LoRA adapter, trained on org/base; add `adapter_of: NAME`" in problem


# Values of engine arguments.


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"block_size": 17}, "must be a multiple of 32 tokens, not 17"),
        ({"chat_template": "./no.jinja"}, "there is no file"),
        ({"chat_template": "{{ messages }"}, "chat_template: it is not Jinja (line 1: "),
        ({"tokenizer": "/no/such"}, "tokenizer: there is no folder /no/such; correct the path."),
        ({"runner": "pooling"}, "runner: an expert answers with text, which `pooling` does not"),
        ({"attention_backend": "CPU_ATN"}, "(did you mean `CPU_ATTN`?); leave it out."),
        ({"gpu_memory_utilization": 1.5}, "must be a share of the GPU"),
        (
            {"max_num_batched_tokens": 64, "max-num-seqs": 128},
            "max_num_batched_tokens: 64 is less than max_num_seqs (128)",
        ),
        ({"chat-template": "no.jinja"}, "there is no file no.jinja"),
        ({"max-num-seqs": 0}, "must be 1 or more"),
    ],
    ids=str,
)
def test_odd_values_are_refused(write: Any, args: dict[str, Any], said: str) -> None:
    experts = {"a": {**HUB, "engine_args": args}}
    (problem,) = problems_of(write({"experts": experts, "slots": {"gpus": 0}}))
    assert said in problem


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("awq", "are not quantised, and `awq` reads only weights that were saved so"),
        ("fp8", "a CPU does not compute in `fp8`; leave it out."),
    ],
)
def test_a_way_of_quantising_that_the_weights_or_the_device_do_not_have(
    write: Any, tmp_path: Path, method: str, said: str
) -> None:
    write_checkpoint(tmp_path / "a")
    expert = {"type": "vllm", "model": "./a", "engine_args": {"quantization": method}}
    (problem,) = problems_of(write({"experts": {"a": expert}, "slots": {"gpus": 0}}))
    assert problem.startswith("experts.a.engine_args.quantization: ")
    assert said in problem


def test_a_template_with_a_mistake_does_not_count_where_another_one_is_named(
    write: Any, tmp_path: Path
) -> None:
    (write_checkpoint(tmp_path / "a") / "chat_template.jinja").write_text("{{ messages }")
    expert = {"type": "vllm", "model": "./a"}
    (problem,) = problems_of(write({"experts": {"a": expert}}))
    assert "chat_template.jinja: its chat template is not Jinja" in problem
    given = {**expert, "engine_args": {"chat_template": "{{ messages }}"}}
    load_config(write({"experts": {"a": given}}))


def test_weights_in_a_pickle_that_is_none_are_to_be_converted(write: Any, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "a")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"no weights")
    (problem,) = problems_of(write({"experts": {"a": {"type": "vllm", "model": "./a"}}}))
    assert "pytorch_model.bin is no file of weights" in problem
    assert "convert it to safetensors" in problem


def test_no_model_at_all(write: Any) -> None:
    (problem,) = problems_of(write({"experts": {"a": {"type": "vllm", "model": ""}}}))
    assert problem == (
        "experts.a.model: must not be empty; name a folder with weights, or a hub id."
    )


def test_a_stop_that_would_end_every_answer(write: Any) -> None:
    (problem,) = problems_of(write({"experts": {"a": {**HUB, "defaults": {"stop": ["x", ""]}}}}))
    assert problem.startswith("experts.a.defaults.stop: an empty text would end every answer")


def test_a_template_is_a_text_a_file_beside_the_configuration_or_one_of_vllms(
    write: Any, tmp_path: Path
) -> None:
    (tmp_path / "mine.jinja").write_text("{{ messages }}")
    values = {"a": "{{ messages }}", "b": "mine.jinja", "c": "template_chatml.jinja"}
    experts = {n: {**HUB, "engine_args": {"chat_template": v}} for n, v in values.items()}
    hosted = load_config(write({"experts": experts})).hosted()
    found = {name: getattr(spec, "engine_args", {}) for name, spec in hosted.items()}
    assert found["b"]["chat_template"] == str(tmp_path / "mine.jinja")
    assert found["a"]["chat_template"] == values["a"]
