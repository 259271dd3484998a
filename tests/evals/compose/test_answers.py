"""Answers become a matrix: from a run's folder, from recorded tables; and questions get vectors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from evals.compose.answers.embedding import embedded
from evals.compose.answers.from_recorded import from_recorded
from evals.compose.answers.from_run import from_run, kind_of
from evals.compose.ballots import SILENT
from evals.runs.record import RUN_FILE, SAMPLES_FILE
from evals.runs.recorded import Recorded
from experts.errors import ConfigError
from routers.outcomes import Query

INFO = {
    "created": "2026-11-27T12:00:00Z",
    "config": "c",
    "seed": 0,
    "subjects": [
        {"name": "one", "kind": "expert"},
        {"name": "two", "kind": "expert"},
        {"name": "pool/auto", "kind": "composition"},
    ],
    "experts": {
        "one": {"version": "v1", "price_usd_per_mtok": 2.0, "memory_gb": 1.5},
        "two": {"version": "v2", "price_usd_per_mtok": 1.0},
    },
    "tasks": [
        {"name": "adding", "version": 1, "digest": "d", "questions": 2, "scorer": "number"},
    ],
}


class Counting:
    """An encoder that counts the texts it was given."""

    name, dimension = "counting", 2

    def __init__(self) -> None:
        self.count = 0

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.count += len(texts)
        return np.tile(np.array([0.6, 0.8], np.float32), (len(texts), 1))


def row(subject: str, sample: str, answer: str, **fields: Any) -> dict[str, Any]:
    return {
        "subject": subject,
        "task": "adding",
        "sample": sample,
        "category": "sums",
        "question": f"What is {sample}?",
        "answer": answer,
        "score": 1.0,
        "tokens": {subject: {"prompt": 3, "completion": 5}},
        "price_usd": 0.25,
        "seconds": 0.5,
        **fields,
    }


def write(folder: Path, rows: Sequence[dict[str, Any]], **changes: Any) -> Path:
    (folder / RUN_FILE).write_text(json.dumps({**INFO, **changes}))
    lines = [json.dumps(one, ensure_ascii=False) for one in rows]
    (folder / SAMPLES_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


ROWS = (
    row("one", "a", "So the answer is 3."),
    row("two", "a", "3", score=1.0),
    row("pool/auto", "a", "3"),
    row("one", "b", "4", question="What is b? \u2028 really"),
    row("two", "b", "no idea", score=0.0),
    row("two", "a", "9", draw=1, score=0.0),
)


async def test_a_run_becomes_a_matrix(tmp_path: Path) -> None:
    found = await from_run(write(tmp_path, ROWS), Counting())
    assert found.experts == ("one", "two")
    assert [query.id for query in found.queries] == ["adding/a", "adding/b"]
    assert found.scores.tolist() == [[1, 1], [1, 0]]
    assert found.labels.tolist() == [[0, 0], [0, SILENT]]
    assert found.prices.tolist() == [[0.25, 0.25]] * 2
    assert found.tokens.tolist() == [[5, 5]] * 2
    assert found.memory_gb.tolist() == [1.5, 0.0]
    assert found.rates.tolist() == [2.0, 1.0]
    assert (found.answer, found.versions, found.tasks) == ("number", ("v1", "v2"), ("adding",))
    assert found.left_out == 0


async def test_what_is_missing_is_left_out(tmp_path: Path) -> None:
    rows = [*ROWS, row("one", "c", "1"), row("one", "d", "1"), row("two", "d", "", error="timeout")]
    found = await from_run(write(tmp_path, rows), Counting())
    assert len(found.queries) == 2
    assert found.left_out == 2
    alone = await from_run(tmp_path, Counting(), ["one"])
    assert (alone.experts, len(alone.queries)) == (("one",), 4)


async def test_a_price_that_is_no_number_is_not_known(tmp_path: Path) -> None:
    rows = [row("one", "a", "3", price_usd=float("nan")), *ROWS[1:]]
    found = await from_run(write(tmp_path, rows), Counting())
    assert np.isnan(found.prices).all()
    assert not np.isnan(found.rates).any()
    write(tmp_path, ROWS, experts={})
    found = await from_run(tmp_path, Counting())
    assert np.isnan(found.memory_gb).all()
    assert np.isnan(found.rates).all()


async def test_answers_without_a_kind_are_compared_by_meaning(tmp_path: Path) -> None:
    tasks = [{**INFO["tasks"][0], "scorer": "judge"}]  # type: ignore[index]
    long = "Because it rains a lot there, and the river is old, I would say so {}"
    rows = [row("one", "a", long.format("too")), row("two", "a", long.format("as well"))]
    encoder = Counting()
    found = await from_run(write(tmp_path, rows, tasks=tasks), encoder)
    assert found.answer == "auto"
    assert found.labels.tolist() == [[0, 0]]
    assert encoder.count == 2


def test_kinds_of_scorers() -> None:
    assert kind_of("exact") == "text"
    assert kind_of("choice") == "choice"
    assert kind_of("f1") == "auto"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subjects": [INFO["subjects"][2]]}, "no subject of this run is an expert"),  # type: ignore[index]
        ({"format": 2}, "format"),
    ],
)
async def test_what_is_no_run_of_experts(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        await from_run(write(tmp_path, ROWS, **changes), Counting())


async def test_folders_that_lack_something(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        await from_run(tmp_path / "nowhere", Counting())
    write(tmp_path, ROWS)
    with pytest.raises(ConfigError, match="three is no expert of this run"):
        await from_run(tmp_path, Counting(), ["one", "three"])
    (tmp_path / SAMPLES_FILE).unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        await from_run(tmp_path, Counting())
    write(tmp_path, [row("one", "a", "1"), row("two", "b", "1")])
    with pytest.raises(
        ConfigError, match=r"no question was answered by all .* one \(1\), two \(1\)"
    ):
        await from_run(tmp_path, Counting())


def test_recorded_tables_become_a_matrix() -> None:
    queries = tuple(Query(f"q{n}", "made", f"question {n}") for n in range(3))
    scores = np.array([[1.0, 0.0], [0.0, np.nan], [1.0, 1.0]])
    answers = np.array([["A", "B"], ["C", None], ["A", "A"]], dtype=object)
    groups = np.array(["g0", "g1", "g2"])
    prices = np.array([[1.0, np.nan]] * 3)
    recorded = Recorded(queries, groups, ("m", "n"), scores, answers, prices, "USD", {"m": 7.0})
    found = from_recorded(recorded)
    assert [query.id for query in found.queries] == ["q0", "q2"]
    assert found.labels.tolist() == [[0, 1], [0, 0]]
    assert found.left_out == 1
    assert np.isnan(found.prices).all()
    assert np.isnan(found.memory_gb).all()


def test_vectors_are_kept_in_a_file(tmp_path: Path) -> None:
    encoder, file = Counting(), tmp_path / "kept" / "vectors.npz"
    texts = [f"question {n}" for n in range(300)]
    found = embedded(texts, encoder, file, lambda *words: None)
    assert found.shape == (300, 2)
    assert np.array_equal(embedded(texts, encoder, file, lambda *words: None), found)
    assert encoder.count == 300
    embedded(texts[:2], encoder, file, lambda *words: None)
    assert encoder.count == 302
    file.write_text("something else")
    with pytest.raises(ConfigError, match="not a file of vectors"):
        embedded(texts, encoder, file, lambda *words: None)
