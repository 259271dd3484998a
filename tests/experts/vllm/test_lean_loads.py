"""Loads look for kernels once, and collect no garbage."""

import gc
import inspect
from types import SimpleNamespace

import pytest
import vllm_here  # noqa: F401
from vllm.model_executor.model_loader import base_loader
from vllm.platforms.cpu import CpuPlatform

from experts.vllm import lean_loads

pytestmark = pytest.mark.e2e


@pytest.fixture
def replacements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whom vLLM has replaced kernels for."""
    found: list[str] = []

    def replace(cls: type[CpuPlatform]) -> None:
        found.append(cls.__name__)

    # Undone after the test, with what is put over them.
    monkeypatch.setattr(CpuPlatform, "register_triton_kernel_overrides", classmethod(replace))
    monkeypatch.setattr(base_loader, "gc", gc)
    return found


def test_kernels_are_replaced_in_the_first_load_only(replacements: list[str]) -> None:
    lean_loads.install()
    lean_loads.install()
    assert replacements == []
    for _ in range(3):
        # As a worker does, on an instance.
        CpuPlatform().register_triton_kernel_overrides()
    assert replacements == ["CpuPlatform"]


def test_kernels_that_could_not_be_replaced_are_tried_again(
    replacements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = iter([ImportError("no such module"), None])

    def fail_once(cls: type[CpuPlatform]) -> None:
        if (error := next(outcomes)) is not None:
            raise error
        replacements.append(cls.__name__)

    monkeypatch.setattr(CpuPlatform, "register_triton_kernel_overrides", classmethod(fail_once))
    lean_loads.install()
    with pytest.raises(ImportError):
        CpuPlatform.register_triton_kernel_overrides()
    CpuPlatform.register_triton_kernel_overrides()
    assert replacements == ["CpuPlatform"]


@pytest.mark.usefixtures("replacements")
def test_the_loader_alone_collects_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    collected: list[int] = []
    monkeypatch.setattr(gc, "collect", lambda *_: collected.append(1))
    lean_loads.install()
    assert isinstance(base_loader.gc, SimpleNamespace)
    assert base_loader.gc.collect() == 0
    assert collected == []
    # Decorated: what it is made of looks names up in its module.
    loader = inspect.unwrap(base_loader.BaseModelLoader.load_model)
    assert loader.__globals__["gc"] is base_loader.gc
