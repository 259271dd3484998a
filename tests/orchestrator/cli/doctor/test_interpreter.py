"""Which builds of Python count as optimized, by what they say of themselves."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.doctor import interpreter
from orchestrator.cli.doctor.interpreter import OPTIMIZED, is_optimized, lacking


@pytest.mark.parametrize(
    ("base_prefix", "config_args", "expected"),
    [
        ("/usr", "'--enable-shared' '--prefix=/usr' '--without-ensurepip'", True),  # Debian.
        ("/usr/local", "'--build=x86_64-linux-gnu' '--enable-optimizations' '--with-lto'", True),
        ("/usr/local", "'--enable-shared'", False),
        ("/home/me/.pyenv/versions/3.11.7", "'--prefix=/home/me' '--enable-shared'", False),
        ("/home/me/.pyenv/versions/3.11.9", "'--enable-optimizations' '--with-lto'", True),
        ("/opt/usr", "", False),
    ],
)
def test_builds(base_prefix: str, config_args: str, expected: bool) -> None:
    assert is_optimized(base_prefix, config_args) is expected


@given(st.lists(st.sampled_from(["'--enable-shared'", "'--with-lto'", "'CFLAGS=-O3'"])))
def test_nothing_else_that_configure_is_told_counts(others: list[str]) -> None:
    assert not is_optimized("/opt/python", " ".join(others))
    assert is_optimized("/opt/python", " ".join([*others, f"'{OPTIMIZED}'"]))


def test_the_python_of_these_tests_lacks_nothing_but_optimizations_or_headers() -> None:
    assert set(lacking()) <= {"optimizations", "headers"}


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_without_either_module_it_makes_no_environments(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert "venv" in lacking()


def test_another_python_runs_it_as_a_file() -> None:
    command = [sys.executable, "-I", "-S", str(interpreter.__file__)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == lacking()
