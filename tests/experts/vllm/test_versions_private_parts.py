"""The page of vLLM's private parts is true: its names exist, and name all that we import."""

import ast
import dataclasses
import inspect
import re
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import vllm_here  # noqa: F401
from repository import ROOT

pytestmark = pytest.mark.e2e

PAGE = ROOT / "docs" / "vllm-internals.md"
OURS = (ROOT / "experts" / "vllm", ROOT / "experts" / "fused" / "composites")
NAMES = sorted(set(re.findall(r"`(vllm[\w.]*(?::[\w.]+)?)`", PAGE.read_text(encoding="utf-8"))))


def imports(file: Path) -> set[str]:
    """What a module imports from vLLM, as the page would name it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "vllm":
            found |= {f"{node.module}:{name.name}" for name in node.names}
    return found


def has(owner: Any, name: str) -> bool:
    """Whether a module or class has this, be it a field or an attribute of its instances."""
    if hasattr(owner, name):
        return True
    if dataclasses.is_dataclass(owner) and name in {f.name for f in dataclasses.fields(owner)}:
        return True
    return inspect.isclass(owner) and f"self.{name}" in inspect.getsource(owner)


@pytest.mark.parametrize("name", NAMES)
def test_what_the_page_names_is_in_the_installed_vllm(name: str) -> None:
    module, _, path = name.partition(":")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        owner: Any = import_module(module)
    for part in path.split(".") if path else ():
        assert has(owner, part), f"{name}: there is no {part}"
        owner = getattr(owner, part, None)


def test_the_page_names_all_that_we_import() -> None:
    used = set().union(*(imports(file) for room in OURS for file in room.rglob("*.py")))
    named = {re.sub(r"(:\w+)\..*", r"\1", name) for name in NAMES}
    named |= {":".join(name.partition(":")[0].rsplit(".", 1)) for name in NAMES}  # Modules.
    assert len(used) > 20
    assert used - named == set()
