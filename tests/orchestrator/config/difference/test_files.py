"""Which files a configuration names, and whether their contents have changed."""

import os
from pathlib import Path

import pytest

from orchestrator.config.difference.files import ABSENT, Fingerprints, named_files
from orchestrator.config.model import Config


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "weights.v1").mkdir()
    args = {"chat_template": str(tmp_path / "chat.jinja"), "dtype": "float32"}
    return Config.model_validate(
        {
            "experts": {
                "a": {
                    "type": "vllm",
                    "model": str(tmp_path / "weights.v1"),
                    "engine_args": args,
                    "system": "/begin with a slash.",
                }
            },
            "routers": {"near": {"type": "knn", "artifact": str(tmp_path / "near.safetensors")}},
            "compositions": {
                "pool/judged": {
                    "router": "near",
                    "aggregator": {"type": "debate", "prompt": "/no file\nbut words.txt"},
                }
            },
        }
    )


def test_prompts_and_artifacts_are_named_and_weights_are_not(
    config: Config, tmp_path: Path
) -> None:
    assert named_files(config) == {
        "routers.near.artifact": tmp_path / "near.safetensors",
        "experts.a.engine_args.chat_template": tmp_path / "chat.jinja",
    }


def test_the_content_counts(tmp_path: Path) -> None:
    files, path = Fingerprints(), tmp_path / "prompt.txt"
    assert files.of(path) == ABSENT
    path.write_text("one")
    first = files.of(path)
    path.write_text("two")
    os.utime(path, ns=(1, 1))
    second = files.of(path)
    path.write_text("one")
    os.utime(path, ns=(2, 2))
    assert files.of(path) == first != second


def test_a_file_that_looks_as_it_did_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, path = Fingerprints(), tmp_path / "large.parquet"
    path.write_text("rows")
    first = files.of(path)
    monkeypatch.setattr(Path, "open", None)
    assert files.of(path) == first
