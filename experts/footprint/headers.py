"""The one reader of safetensors headers: which tensors a file has, without reading a weight."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LONGEST = 100_000_000
"""Bytes of a header; the format allows no more."""
_LENGTH = 8
_LFS = b"version https://git-lfs"


class BadHeader(ValueError):
    """A file is no whole safetensors file: a sentence that begins with its name."""


def read_header(file: Path) -> Mapping[str, Any] | None:
    """The tensors of a safetensors file by name; None where the file is not one."""
    try:
        return tensors_of(file)[0]
    except BadHeader:
        return None


def fault_of(file: Path) -> str | None:
    """Why a safetensors file cannot be whole; None where it is."""
    try:
        tensors, data, size = tensors_of(file)
    except BadHeader as error:
        return str(error)
    wanted = data + max((tensor["data_offsets"][1] for tensor in tensors.values()), default=0)
    if wanted > size:
        return f"{file.name} is cut short: {size} of {wanted} bytes are there; copy it again."
    return None


def tensors_of(file: Path) -> tuple[Mapping[str, Any], int, int]:
    """The tensors by name, where their data begins, and the file's size in bytes.

    Raises BadHeader.
    """
    try:
        with file.open("rb") as opened:
            start, size = opened.read(len(_LFS)), file.stat().st_size
            length = int.from_bytes(start[:_LENGTH], "little")
            opened.seek(_LENGTH)
            raw = opened.read(length) if length <= LONGEST else b""
    except OSError as error:
        raise BadHeader(f"{file.name} cannot be read ({error.strerror or error}).") from error
    if start == _LFS:
        raise BadHeader(f"{file.name} is a pointer of Git LFS; fetch the file with `git lfs pull`.")
    if size < _LENGTH:
        raise BadHeader(f"{file.name} is cut short: it has {size} bytes; copy it again.")
    if length > LONGEST or _LENGTH + length > size:
        raise BadHeader(f"{file.name} is no safetensors file, or cut short; copy it again.")
    return _parsed(file, raw), _LENGTH + length, size


def _parsed(file: Path, raw: bytes) -> Mapping[str, Any]:
    try:
        header = json.loads(raw)
        tensors = {name: one for name, one in header.items() if name != "__metadata__"}
    except (ValueError, AttributeError, RecursionError):
        tensors = {"": None}
    if not all(map(_is_tensor, tensors.values())):
        raise BadHeader(f"{file.name} is no safetensors file; its header cannot be read.")
    return tensors


def _is_tensor(tensor: Any) -> bool:
    try:
        begin, end = tensor["data_offsets"]
        numbers = [begin, end, *tensor["shape"]]
    except (TypeError, KeyError, ValueError):
        return False
    whole = all(isinstance(number, int) and number >= 0 for number in numbers)
    return whole and isinstance(tensor.get("dtype"), str) and begin <= end
