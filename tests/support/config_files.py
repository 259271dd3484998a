"""Configuration files that tests write, checkpoints for them, and the mistakes that are found."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from experts.errors import ConfigError
from orchestrator.config.model import load_config

REMOTE = {"type": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "m"}
HUB = {"type": "vllm", "model": "org/model"}


def problems_of(path: Path) -> tuple[str, ...]:
    """What `coterie validate` would say about a file that is wrong."""
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return caught.value.problems or (str(caught.value),)


# Folders that look like checkpoints to whoever only reads headers.

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "max_position_embeddings": 2048,
}
EMBEDDING = "model.embed_tokens.weight"


def safetensors(data: int = 64) -> bytes:
    """A safetensors file with one tensor of so many bytes."""
    entry = {"dtype": "U8", "shape": [data], "data_offsets": [0, data]}
    header = json.dumps({"__metadata__": {"format": "pt"}, EMBEDDING: entry}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(data)


def write_checkpoint(folder: Path, weights: bytes | None = None, **config: Any) -> Path:
    """A folder with config.json, a tokenizer and weights; returns it."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({**CONFIG, **config}), encoding="utf-8")
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    (folder / "model.safetensors").write_bytes(safetensors() if weights is None else weights)
    return folder


def write_all(folder: Path) -> None:
    """The checkpoints that the files of tests/orchestrator/config/broken name."""
    write_checkpoint(folder / "weights")
    (write_checkpoint(folder / "without_tokenizer") / "tokenizer.json").unlink()
    whole = safetensors()
    write_checkpoint(folder / "truncated", whole[:160])
    write_checkpoint(folder / "pointer", b"version https://git-lfs.github.com/spec/v1\noid x\n")
    write_checkpoint(folder / "something_else", b"<!doctype html><title>Sign in</title>")
    shards = {f"w{n}": f"model-0000{n}-of-00002.safetensors" for n in (1, 2)}
    sharded = write_checkpoint(folder / "without_shard")
    (sharded / "model.safetensors").rename(sharded / shards["w1"])
    index = sharded / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": shards}), encoding="utf-8")
