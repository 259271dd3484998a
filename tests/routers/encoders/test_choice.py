"""The name of a model's vectors changes with anything that changes the vectors."""

from pathlib import Path

import pytest

from routers.encoders import choice
from routers.encoders.choice import BUILT_IN, EncoderModel, name_of, vectors_named


@pytest.fixture(autouse=True)
def fresh() -> None:
    choice._digest.cache_clear()


def _model(folder: Path, **files: bytes) -> Path:
    (folder / "1_Pooling").mkdir(parents=True)
    known = {
        "config.json": b"{}",
        "modules.json": b"[]",
        "1_Pooling/config.json": b'{"pooling_mode_mean_tokens": true}',
        "model.safetensors": b"x" * 3_000_000,
    }
    for name, content in {**known, **files}.items():
        (folder / name).write_bytes(content)
    return folder


def test_copies_of_a_model_have_one_name(tmp_path: Path) -> None:
    copies = [_model(tmp_path / name / "minilm") for name in ("a", "b")]
    assert len({name_of(str(copy)) for copy in copies}) == 1
    assert name_of(str(copies[0])).startswith("minilm@")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", b'{"hidden_size": 1}'),
        ("1_Pooling/config.json", b'{"pooling_mode_cls_token": true}'),
        ("model.safetensors", b"y" + b"x" * 2_999_999),
        ("model.safetensors", b"x" * 2_999_999 + b"y"),
        ("model.safetensors", b"x" * 3_000_001),
        ("tokenizer.json", b"{}"),
    ],
)
def test_another_file_is_another_name(tmp_path: Path, file: str, content: bytes) -> None:
    first = _model(tmp_path / "a" / "minilm")
    second = _model(tmp_path / "b" / "minilm", **{file: content})
    assert name_of(str(first)) != name_of(str(second))


def test_what_this_machine_lacks_is_called_as_it_is_written(tmp_path: Path) -> None:
    assert name_of("org/model-that-nobody-has") == "org/model-that-nobody-has"
    assert name_of(str(tmp_path / "no")) == str(tmp_path / "no")


def test_the_key_says_whose_vectors_are_meant(tmp_path: Path) -> None:
    folder = str(_model(tmp_path / "minilm"))
    assert vectors_named(None, {}) == BUILT_IN
    assert vectors_named("v", {"v": "far at http://x/v1"}) == "far at http://x/v1"
    assert vectors_named(EncoderModel(model=folder), {}) == name_of(folder)
