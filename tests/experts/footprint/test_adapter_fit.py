"""An adapter of another model is known by its shapes."""

import json
from pathlib import Path

import pytest

from experts.footprint.adapter_fit import misfit


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    shape = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    (folder / "config.json").write_text(json.dumps(shape))
    return folder


def adapter(folder: Path, part: str, width: int) -> Path:
    folder.mkdir()
    name = f"base_model.model.model.layers.0.{part}.lora_A.weight"
    entry = {"dtype": "F16", "shape": [8, width], "data_offsets": [0, 16 * width]}
    header = json.dumps({name: entry}).encode()
    (folder / "adapter_model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    return folder


@pytest.mark.parametrize(
    ("part", "width", "fits"),
    [
        ("self_attn.q_proj", 128, True),
        ("self_attn.q_proj", 576, False),
        ("mlp.down_proj", 384, True),
    ],
)
def test_the_width_of_the_residual_stream_tells(
    tmp_path: Path, model: Path, part: str, width: int, fits: bool
) -> None:
    found = misfit(adapter(tmp_path / "adapter", part, width), model)
    assert (found is None) is fits
    assert found is None or "width 576" in found


def test_where_nothing_tells_it_may_fit(tmp_path: Path, model: Path) -> None:
    assert misfit(tmp_path, model) is None
    assert misfit(adapter(tmp_path / "a", "self_attn.q_proj", 5), tmp_path) is None
