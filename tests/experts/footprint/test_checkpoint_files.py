"""What the files of a checkpoint say without being loaded."""

import json
from pathlib import Path
from typing import Any

import pytest
from config_files import safetensors, write_checkpoint
from hypothesis import given
from hypothesis import strategies as st
from repository import ROOT

from experts.footprint.checkpoint_files import has_tokenizer, incomplete_weights, own_context

ZOO = sorted((ROOT / "experts" / "zoo" / "weights").glob("*/model.safetensors"))


@pytest.mark.parametrize("file", ZOO, ids=lambda file: file.parent.name)
def test_the_zoo_is_whole(file: Path) -> None:
    assert list(incomplete_weights(file.parent)) == []
    assert has_tokenizer(file.parent)


@given(kept=st.integers(0, len(safetensors()) - 1))
def test_a_file_that_lost_its_end_is_found(tmp_path_factory: Any, kept: int) -> None:
    folder = write_checkpoint(tmp_path_factory.mktemp("cut") / "a", safetensors()[:kept])
    (fault,) = incomplete_weights(folder)
    assert "cut short" in fault


@given(raw=st.binary(max_size=80))
def test_any_bytes_are_judged(tmp_path_factory: Any, raw: bytes) -> None:
    folder = write_checkpoint(tmp_path_factory.mktemp("any") / "a", raw)
    assert all(fault.startswith("model.safetensors ") for fault in incomplete_weights(folder))


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"),
        (b"", "has 0 bytes"),
        (b"<html><body>404</body></html>", "no safetensors file"),
        ((2).to_bytes(8, "little") + b"[]", "header cannot be read"),
    ],
)
def test_what_is_no_safetensors_file_is_named(tmp_path: Path, raw: bytes, said: str) -> None:
    (fault,) = incomplete_weights(write_checkpoint(tmp_path / "a", raw))
    assert said in fault


def test_an_index_names_the_shards_that_are_missing(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "a")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"w": "model.safetensors", "v": "b.safetensors"}}))
    (fault,) = incomplete_weights(folder)
    assert fault.startswith("b.safetensors of model.safetensors.index.json is not there")
    index.write_text("{")
    (fault,) = incomplete_weights(folder)
    assert "cannot be read" in fault


@pytest.mark.parametrize(
    "file", ["tokenizer.json", "tokenizer.model", "tokenizer.model.v3", "tekken.json", "vocab.txt"]
)
def test_every_kind_of_tokenizer_is_seen(tmp_path: Path, file: str) -> None:
    assert not has_tokenizer(tmp_path)
    (tmp_path / "tokenizer_config.json").touch()
    assert not has_tokenizer(tmp_path)
    (tmp_path / file).touch()
    assert has_tokenizer(tmp_path)


LINEAR = {"rope_type": "linear", "factor": 4.0}


@pytest.mark.parametrize(
    ("config", "context"),
    [
        ({"max_position_embeddings": 2048}, (2048, "max_position_embeddings")),
        ({"n_positions": 1024}, (1024, "n_positions")),
        ({"max_position_embeddings": 4096, "seq_length": 512}, (512, "seq_length")),
        ({"text_config": {"max_position_embeddings": 9}}, (9, "max_position_embeddings")),
        ({"max_position_embeddings": 10, "rope_scaling": LINEAR}, (40, "max_position_embeddings")),
        (
            {"max_position_embeddings": 10, "rope_scaling": {"type": "yarn", "factor": 4.0}},
            (10, "max_position_embeddings"),
        ),
        (
            {"max_position_embeddings": 10, "rope_parameters": {"full_attention": LINEAR}},
            (40, "max_position_embeddings"),
        ),
        ({"max_position_embeddings": 10, "model_max_length": 99}, None),
        ({}, None),
        ({"max_position_embeddings": True}, None),
    ],
)
def test_the_context_is_what_vllm_derives(
    config: dict[str, Any], context: tuple[int, str] | None
) -> None:
    assert own_context(config) == context
