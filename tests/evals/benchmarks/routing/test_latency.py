"""Times of the zoo's routers, with fewer questions than the command asks."""

from __future__ import annotations

import io

import pytest
from repository import ROOT
from rich.console import Console

from evals.benchmarks.routing import latency
from evals.benchmarks.routing.latency import REFERENCE, Latency, measure, print_latencies
from evals.client.progress import Progress
from experts.errors import ConfigError
from orchestrator.config.model import load_config

ZOO = ROOT / "examples" / "zoo.yaml"


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=120)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.slow
def test_every_fitted_router_is_timed_and_what_embeds_elsewhere(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, few in (("ROUNDS", 2), ("ALONE", 1), ("TOGETHER", 3)):
        monkeypatch.setattr(latency, name, few)
    found = measure(load_config(ZOO), Progress(console))
    assert [one.name for one in found] == ["knn", "symbolic", "coe", REFERENCE]
    assert all(one.alone_ms > 0 and one.together_ms > 0 for one in found)
    assert [one.fit_s is None for one in found] == [False, False, False, True]


@pytest.mark.parametrize(("alone", "together", "code"), [(10, 3, 0), (10.1, 3, 1), (10, 3.1, 1)])
def test_only_routers_have_targets(
    alone: float, together: float, code: int, console: Console
) -> None:
    found = [Latency("knn", 0.1, alone, together), Latency(REFERENCE, None, 99, 99)]
    assert print_latencies(console, found) == code
    lines = printed(console).splitlines()
    assert sum(line.startswith(("ok", "MISS")) for line in lines) == 1
    assert any(line.startswith(REFERENCE) for line in lines)


def test_without_fitted_routers_there_is_nothing_to_time(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency, "fittable", lambda settings: [])
    with pytest.raises(ConfigError, match="no router that is fitted"):
        measure(load_config(ZOO), Progress(console))
