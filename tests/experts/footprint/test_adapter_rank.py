"""The rank of an adapter is its tensors', and what vLLM cannot serve is named by its key."""

import json
from pathlib import Path
from typing import Any

import pytest

from experts.footprint.adapter_rank import adapter_faults, adapter_rank


def adapter(folder: Path, rank: int = 16, **config: Any) -> Path:
    (folder / "adapter_config.json").write_text(json.dumps(config))
    shapes = {"q.lora_A.weight": [rank, 64], "q.lora_B.weight": [64, rank]}
    tensors = {
        name: {"dtype": "BF16", "shape": shape, "data_offsets": [0, 2 * 64 * rank]}
        for name, shape in shapes.items()
    }
    header = json.dumps(tensors).encode()
    with (folder / "adapter_model.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + 2 * 64 * rank)
    return folder


def test_a_whole_adapter_has_no_fault(tmp_path: Path) -> None:
    folder = adapter(tmp_path, r=16, modules_to_save=None, use_dora=False)
    assert (adapter_rank(folder), list(adapter_faults(folder))) == (16, [])


def test_the_rank_is_that_of_the_tensors_whatever_is_said(tmp_path: Path) -> None:
    folder = adapter(tmp_path, r=999)
    (fault,) = adapter_faults(folder)
    assert adapter_rank(folder) == 16
    assert "adapter_config.json: r: 999 is not the rank of its tensors, which is 16" in fault


def test_ranks_of_single_parts_may_differ(tmp_path: Path) -> None:
    assert list(adapter_faults(adapter(tmp_path, r=8, rank_pattern={"q": 16}))) == []


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "r: the adapter's rank, which is 16 by its tensors, is missing"),
        ({"r": "16"}, "must be a whole number above 0, not 16"),
        ({"r": 16, "use_dora": True}, "use_dora: vLLM serves no adapter with DoRA; merge it"),
        ({"r": 16, "modules_to_save": ["lm_head"]}, "(lm_head); merge it into its model"),
    ],
)
def test_what_vllm_does_not_serve_is_named(
    config: dict[str, Any], said: str, tmp_path: Path
) -> None:
    (fault,) = adapter_faults(adapter(tmp_path, **{"peft_type": "LORA", **config}))
    assert said in fault


def test_a_rank_that_no_engine_makes_room_for(tmp_path: Path) -> None:
    (fault,) = adapter_faults(adapter(tmp_path, rank=1024, r=1024))
    assert "r: 1024 is more than the 512 that vLLM serves" in fault
