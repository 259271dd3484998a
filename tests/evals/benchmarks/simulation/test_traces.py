"""Traces: drawn with a seed, or read with every bad line named."""

import math
from collections import Counter
from pathlib import Path

import pytest

from evals.benchmarks.simulation.traces import BATCH, INTERACTIVE, Trace, read_trace, zipf_trace
from experts.errors import ConfigError


def _zipf(seed: int = 0, **changes: float) -> Trace:
    settings = {"rate": 100.0, "alpha": 1.0, "batch_share": 0.25, **changes}
    return zipf_trace(experts=10, requests=20_000, seed=seed, **settings)


def test_popularity_falls_as_zipf_says() -> None:
    asked = Counter(_zipf().expert)
    total = sum(1 / rank for rank in range(1, 11))
    for rank in range(1, 11):
        assert asked[rank - 1] / 20_000 == pytest.approx(1 / rank / total, abs=0.01)


def test_rate_and_classes() -> None:
    drawn = _zipf()
    assert drawn.at_s[-1] == pytest.approx(200.0, rel=0.03)
    assert list(drawn.at_s) == sorted(drawn.at_s)
    assert drawn.kind.count(BATCH) / len(drawn) == pytest.approx(0.25, abs=0.01)


def test_an_infinite_rate_is_all_at_once() -> None:
    assert set(_zipf(rate=math.inf).at_s) == {0.0}


def test_the_seed_decides() -> None:
    assert _zipf(1) == _zipf(1)
    assert _zipf(1) != _zipf(2)


def test_the_start_of_a_trace() -> None:
    start = _zipf().start(100)
    assert len(start) == len(start.expert) == len(start.kind) == 100


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(
        '{"at_s": 2, "expert": "law"}\n\n{"at_s": 0.5, "expert": "art", "class": "batch"}\n',
        encoding="utf-8",
    )
    assert read_trace(path) == Trace(("art", "law"), (0.5, 2.0), [0, 1], (BATCH, INTERACTIVE))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "not JSON"),
        ("[1]", "write an object like"),
        ('{"at_s": 1, "expert": "law", "clas": "batch"}', "unknown key 'clas'"),
        ('{"expert": "law"}', "at_s must be a number"),
        ('{"at_s": true, "expert": "law"}', "at_s must be a number"),
        ('{"at_s": NaN, "expert": "law"}', "NaN is no number"),
        ('{"at_s": Infinity, "expert": "law"}', "Infinity is no number"),
        ('{"at_s": 1e999, "expert": "law"}', "at_s must be a number"),
        ('{"at_s": -1, "expert": "law"}', "at_s must be a number"),
        ('{"at_s": 1}', "expert must be a name"),
        ('{"at_s": 1, "expert": ""}', "expert must be a name"),
        ('{"at_s": 1, "expert": "law", "class": "slow"}', "class must be interactive or batch"),
        ('{"at_s": 1, "expert": "law", "class": []}', "class must be interactive or batch"),
    ],
)
def test_a_bad_line_is_named(line: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(f'{{"at_s": 1, "expert": "law"}}\n{line}\n', encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_trace(path)
    (problem,) = caught.value.problems
    assert problem.startswith("line 2: ")
    assert str(path) in str(caught.value)
    assert says in problem


@pytest.mark.parametrize("content", [None, b"", b"\xff\n"])
def test_a_file_that_is_missing_or_empty_or_no_text(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"trace\.jsonl"):
        read_trace(path)
