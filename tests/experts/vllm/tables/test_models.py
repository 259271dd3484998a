"""Which models vLLM knows, from the table."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from repository import ROOT

from experts.footprint.layouts import LAYOUTS
from experts.vllm.tables.models import TABLE, config_faults, known

CONFIGS = sorted((ROOT / "experts" / "zoo" / "weights").glob("*/config.json"))


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.parent.name)
def test_the_zoo_is_known(file: Path) -> None:
    assert list(config_faults(json.loads(file.read_text()))) == []


@pytest.mark.parametrize("architecture", LAYOUTS)
def test_every_layout_is_of_an_architecture_that_vllm_knows(architecture: str) -> None:
    assert architecture in known().architectures


def test_what_transformers_alone_knows_is_taken() -> None:
    name = min(known().by_transformers)
    assert name not in known().architectures
    assert list(config_faults({"architectures": [name], "model_type": "llama"})) == []


@pytest.mark.parametrize("method", ["awq", "gptq", "fp8", "compressed-tensors", "auto-round"])
def test_common_ways_of_quantising_are_taken(method: str) -> None:
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
    quantised = {**config, "quantization_config": {"quant_method": method}}
    assert list(config_faults(quantised)) == []


@pytest.mark.e2e
def test_the_table_is_that_of_the_vllm_that_is_installed() -> None:
    """In a process of its own, which imports vLLM as a slot does."""
    code = (
        "from experts.vllm.tables.make_models import make_table, text_of;"
        " print(text_of(make_table()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=200, check=True
    )
    said = TABLE.read_text(encoding="utf-8")
    assert said in done.stdout, "run `python -m experts.vllm.tables`"
