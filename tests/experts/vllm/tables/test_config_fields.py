"""Values of a config.json that no model has are named by their key."""

import json
from typing import Any

import pytest
from repository import ROOT

from experts.vllm.tables.config_fields import field_faults

CONFIGS = sorted((ROOT / "experts" / "zoo" / "weights").glob("*/config.json"))
LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 576,
    "hidden_act": "silu",
    "dtype": "bfloat16",
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e4},
}


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.parent.name)
def test_the_zoo_has_no_fault(file: Any) -> None:
    assert list(field_faults(json.loads(file.read_text()))) == []


@pytest.mark.parametrize(
    "config",
    [
        LLAMA,
        {**LLAMA, "torch_dtype": "torch.float8_e4m3fn", "intermediate_size": [1, 2]},
        {**LLAMA, "rope_scaling": {"type": "su", "factor": 4.0}},
        {**LLAMA, "architectures": ["OtherForCausalLM"], "hidden_act": "their own"},
    ],
)
def test_what_may_be(config: dict[str, Any]) -> None:
    assert list(field_faults(config)) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"hidden_size": "576"}, "hidden_size: must be a whole number, not '576'"),
        ({"text_config": {"head_dim": 0.5}}, "text_config.head_dim: must be a whole number"),
        ({"dtype": "float99"}, "dtype: `float99` is no format of weights"),
        ({"hidden_act": "wiggle"}, "hidden_act: vLLM 0.32.0 knows no activation `wiggle`"),
        (
            {"rope_parameters": {"rope_type": "yarnn"}},
            "rope_parameters.rope_type: vLLM 0.32.0 knows no RoPE scaling `yarnn`"
            " (did you mean `yarn`?)",
        ),
        (
            {"rope_parameters": {"full_attention": {"rope_type": "curl"}}},
            "knows no RoPE scaling `curl`",
        ),
    ],
)
def test_what_may_not_be(changed: dict[str, Any], said: str) -> None:
    (fault,) = field_faults({**LLAMA, **changed})
    assert said in fault
