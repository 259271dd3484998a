"""Which encoder a router looks at questions with, and the name by which its vectors are known."""

import json
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from pydantic import Field

from experts.keys import Keys
from experts.vllm.hub import snapshot

BUILT_IN = "all-MiniLM-L6-v2"
"""The name of the encoder that comes with Coterie."""

_READ_WHOLE = ("*.json", "*/config.json", "vocab.txt")
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin", "*/*.safetensors")
_ENDS = 1 << 20
_DIGITS = 12


class EncoderModel(Keys):
    """A model of sentence-transformers that runs in the gateway, on its processor."""

    model: str = Field(
        description="A folder of sentence-transformers (relative to this file), or the hub id of"
        " one that this machine has; nothing is downloaded."
    )


Choice = str | EncoderModel | None
"""An expert with `task: embed`, a model, or the built-in encoder."""


def vectors_named(chosen: Choice, embedders: Mapping[str, str]) -> str:
    """The name of the vectors that a router's key `encoder` asks for.

    `embedders` are the experts that embed, with the names of theirs.
    """
    if chosen is None:
        return BUILT_IN
    return embedders.get(chosen, chosen) if isinstance(chosen, str) else name_of(chosen.model)


def name_of(model: str) -> str:
    """The name of a model's vectors: what it is called, and a digest of its files.

    The digest is of all that is said about the model, and of the sizes and both ends of its
    weights: any training changes those, and reading gigabytes would hold up each start.
    """
    folder = folder_of(model)
    return model if folder is None else f"{_label(model)}@{_digest(folder)}"


def folder_of(model: str) -> Path | None:
    """Where a model's files are; None where this machine has none."""
    path = Path(model)
    folder = path if path.is_absolute() else snapshot(model)
    return folder if folder is not None and (folder / "config.json").is_file() else None


def _label(model: str) -> str:
    path = Path(model)
    return path.name if path.is_absolute() else model


@lru_cache(maxsize=64)
def _digest(folder: Path) -> str:
    found = sha256()
    for pattern in _READ_WHOLE:
        for file in sorted(folder.glob(pattern)):
            found.update(json.dumps(str(file.relative_to(folder))).encode())
            found.update(sha256(file.read_bytes()).digest())
    for pattern in _WEIGHTS:
        for file in sorted(folder.glob(pattern)):
            found.update(_ends_of(file))
    return found.hexdigest()[:_DIGITS]


def _ends_of(file: Path) -> bytes:
    """A file's size, and its first and last megabyte."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        first = opened.read(_ENDS)
        opened.seek(max(size - _ENDS, 0))
        return size.to_bytes(8, "little") + sha256(first + opened.read()).digest()
