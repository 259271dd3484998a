"""vLLM's arguments, from the table: which are known, of which type, and which are ours."""

import subprocess
import sys
from typing import Any

import pytest

from experts.vllm.tables.arguments import OURS, TABLE, faults, table


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_model_len": 4096},
        {"max_model_len": "4096"},
        {"max_model_len": "8k"},
        {"max_model_len": "auto"},
        {"max-model-len": 4096},
        {"dtype": "float32", "enforce_eager": True, "enable_prefix_caching": False},
        {"gpu_memory_utilization": 0.5},
        {"gpu_memory_utilization": 1},
        {"kv_cache_memory_bytes": 1 << 26},
        {"kv_cache_memory_bytes": None},
        {"hf_overrides": {"rope_theta": 1e6}},
        {"compilation_config": {"cudagraph_mode": "NONE"}},
        {"compilation_config.cudagraph_mode": "NONE"},
        {"speculative_config": {"method": "ngram", "num_speculative_tokens": 2}},
        {"chat_template": "./template.jinja", "quantization": "awq", "tensor_parallel_size": 2},
        {"tool_call_parser": "mine", "tool_parser_plugin": "./mine.py"},
        {"max_model_len": "2.5k", "quantization": "AWQ"},
        {"tool_call_parser": "hermes", "enable_auto_tool_choice": True},
    ],
    ids=str,
)
def test_what_vllm_takes_is_right(arguments: dict[str, Any]) -> None:
    assert faults(arguments) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"max_modle_len": 1}, "Did you mean `max_model_len`?"),
        ({"no_enable_prefix_caching": True}, "Write `enable_prefix_caching: false`"),
        ({"zzzzzzz": 1}, "has no such argument"),
        ({"max_model_len": True}, "must be a whole number"),
        ({"max_model_len": "many"}, "must be a whole number"),
        ({"max_model_len": [1]}, "must be a whole number"),
        ({"max_num_seqs": 1.5}, "must be a whole number"),
        ({"max_num_seqs": None}, "must be a whole number"),
        ({"enforce_eager": "yes"}, "must be true or false"),
        ({"gpu_memory_utilization": "half"}, "must be a number"),
        ({"dtype": "fp16"}, "must be one of auto, bfloat16"),
        ({"max_model_len": 2048.5}, "must be a whole number"),
        ({"max_model_len": "2.5K"}, "must be a whole number"),
        ({"quantization": "awqq"}, "Did you mean `awq`?"),
        ({"tool_call_parser": "hermess"}, "Did you mean `hermes`?"),
        ({"load_format": "safetensor"}, "Did you mean `safetensors`?"),
        ({"hf_overrides": [1]}, "must be"),
        ({"max_model_len.most": 1}, "`max_model_len` is not a mapping"),
    ],
    ids=str,
)
def test_what_vllm_would_refuse_is_wrong(arguments: dict[str, Any], said: str) -> None:
    ((name, fault),) = faults(arguments)
    assert name in arguments
    assert said in fault


@pytest.mark.parametrize("name", OURS)
def test_what_coterie_sets_is_refused_with_our_key(name: str) -> None:
    assert name in table()[1], "vLLM has no such argument any more"
    ((_, fault),) = faults({name: "x"})
    assert OURS[name] in fault


def test_the_table_costs_no_import_of_vllm() -> None:
    code = (
        "import sys; from experts.vllm.tables.arguments import faults; faults({'a': 1});"
        "print(sorted({'vllm', 'torch', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.e2e
def test_the_table_is_that_of_the_vllm_that_is_installed() -> None:
    """In a process of its own, which imports vLLM as a slot does."""
    code = (
        "from experts.vllm.tables.make_arguments import make_table, text_of;"
        " print(text_of(make_table()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=200, check=True
    )
    assert done.stdout.splitlines()[-len(TABLE.read_text().splitlines()) - 1 :][:-1] == (
        TABLE.read_text(encoding="utf-8").splitlines()
    ), "run `python -m experts.vllm.tables`"
