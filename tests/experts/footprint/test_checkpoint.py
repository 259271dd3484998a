"""Weights are counted from headers, and what is no header is none."""

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from experts.footprint.checkpoint import Weights, read_weights
from experts.footprint.headers import read_header


def write(path: Path, tensors: dict[str, Any]) -> None:
    header = json.dumps(tensors).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)


def tensor(dtype: str, shape: list[int], size: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [0, size]}


def test_numbers_that_an_engine_converts_and_those_that_stay(tmp_path: Path) -> None:
    write(
        tmp_path / "model.safetensors",
        {
            "__metadata__": {"format": "pt"},
            "a": tensor("BF16", [4, 5], 40),
            "b": tensor("F32", [3], 12),
            "packed": tensor("I32", [2, 2], 16),
            "eight": tensor("F8_E4M3", [10], 10),
        },
    )
    weights = read_weights(tmp_path)

    assert weights == Weights(convertible=23, fixed_bytes=26, dtype="BF16")
    assert weights.in_bytes(4) == 23 * 4 + 26


def test_several_files_add_up(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / f"model-{number}.safetensors", {"a": tensor("F16", [7], 14)})
    assert read_weights(tmp_path) == Weights(21, 0, "F16")


def test_a_folder_without_safetensors_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"x")
    assert read_weights(tmp_path) is None


@given(st.binary(max_size=64))
def test_no_bytes_break_the_reader(tmp_path_factory: Any, content: bytes) -> None:
    file = tmp_path_factory.mktemp("header") / "model.safetensors"
    file.write_bytes(content)
    assert read_header(file) is None or isinstance(read_header(file), dict)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(JSON)
def test_no_json_breaks_the_reader(tmp_path_factory: Any, header: Any) -> None:
    folder = tmp_path_factory.mktemp("header")
    write(folder / "model.safetensors", header)
    found = read_weights(folder)
    assert found is None or found.in_bytes(2) >= 0
