"""How far a foretelling may be off, and the pool in which it is tried."""

from pathlib import Path

import pytest
from repository import ROOT
from rich.console import Console

from evals.benchmarks.sizing.reality import Compared, crowded, print_reality
from evals.benchmarks.sizing.search import Row, Waits
from experts.errors import ConfigError
from orchestrator.config.model import Config, load_config


def compared(told: float, real: float, failures: int = 0) -> Compared:
    row = Row(1, 0.5, {"interactive": Waits(1.0, told, told)}, loads=40)
    return Compared(1, row, Waits(1.1, real, real), 50, failures)


@pytest.mark.parametrize(
    ("told", "real", "met"),
    [(2.0, 3.9, True), (2.0, 1.1, True), (2.0, 4.1, False), (2.0, 0.9, False), (0.001, 0.02, True)],
)
def test_twice_as_long_or_half_is_near_enough(told: float, real: float, met: bool) -> None:
    assert compared(told, real).met is met
    assert not compared(told, real, failures=1).met


def test_what_is_printed_has_both(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "reality.json"
    found = [compared(2.0, 3.0), compared(2.0, 9.0)]
    assert print_reality(Console(width=120), 4.0, 600, found, out) == 1
    printed = capsys.readouterr().out
    assert "600 calls, 4 a second" in printed
    assert "ok     1 slots: p50 1.10 times and p95 1.50 times what was foretold" in printed
    assert "MISSED 1 slots: p50 1.10 times and p95 4.50 times" in printed
    assert '"failures": 0' in out.read_text(encoding="utf-8")


def test_the_zoo_is_crowded_into_slots_of_two(tmp_path: Path) -> None:
    config = crowded(load_config(ROOT / "examples" / "zoo.yaml"), tmp_path, 2)
    assert len(config.experts) == 6
    assert {spec.memory_gb for spec in config.hosted().values()} == {1.0}
    assert (config.slots.count, config.slots.memory_gb) == (2, 3.6)
    assert config.traces.file == tmp_path / "traces-2.jsonl"


def test_a_pool_without_the_zoo_has_nobody_to_crowd(tmp_path: Path) -> None:
    config = Config.model_validate({"experts": {"law": {"type": "vllm", "model": "org/law"}}})
    with pytest.raises(ConfigError, match="too few experts"):
        crowded(config, tmp_path, 1)
