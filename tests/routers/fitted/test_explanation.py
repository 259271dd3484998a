"""What an explanation shows agrees with the score, or says why the two differ."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from routers.fitted.explanation import CLEAR, Basis, reason, record, summary
from routers.fitted.neighbours import find_neighbours
from routers.fitted.support import Support
from routers.fitted.training_set import TrainingSet
from routers.knn import Knn, KnnConfig
from routers.outcomes import Query

CELL = st.sampled_from([0.0, 1.0, 0.5, np.nan])
TABLES = st.integers(1, 3).flatmap(
    lambda experts: st.lists(st.tuples(*[CELL] * experts), min_size=1, max_size=20)
)
COUNTED = re.compile(r"answered (\d+) of (\d+) right")
GRADED = re.compile(r"scored ([\d.]+) on")
OVERALL = re.compile(r"but scores ([\d.]+) overall")
EXPECTED = re.compile(r"Its expected score is ([\d.]+), because .{10,}")


@given(TABLES, st.integers(1, 16), st.sampled_from([1.0, 0.6, 0.0]), st.booleans())
def test_no_explanation_contradicts_its_score(
    cells: Sequence[tuple[float, ...]], neighbours: int, trust: float, by_neighbours: bool
) -> None:
    scores = np.array([row for row in cells if not np.isnan(row).all()] or [[1.0] * len(cells[0])])
    scores = scores[:, ~np.isnan(scores).all(axis=0)]
    rng = np.random.default_rng(len(scores))
    vectors = rng.normal(size=(len(scores) + 1, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = tuple(Query(str(n), "sums", str(n)) for n in range(len(scores)))
    names = tuple(f"expert{n}" for n in range(scores.shape[1]))
    training_set = TrainingSet(queries, names, vectors[:-1], scores, "e")

    knn = Knn(training_set, KnnConfig(type="knn", outcomes="x", neighbours=neighbours))  # type: ignore[arg-type]
    said = knn.predict_detailed(vectors[-1:])
    near = find_neighbours(training_set.vectors, vectors[-1:], neighbours)
    found = record(training_set, near, said.weights if by_neighbours else None).of(0)
    support = Support.of(training_set.vectors, scores).at(vectors[-1:])[0]
    score = (knn.means + trust * (said.scores[0] - knn.means)) * support
    basis = Basis(score, support, trust, by_neighbours)
    shown = summary(training_set, near.of(0), found, basis, np.arange(len(names)))["experts"]
    for expert, name in enumerate(names):
        sentence = reason(training_set, near.of(0), found, basis, expert)
        assert shown[name]["expected_score"] == round(float(score[expert]), 3)
        if expected := EXPECTED.search(sentence):
            assert abs(float(expected[1]) - score[expert]) <= 0.006
        else:
            assert abs(_plain(sentence) - score[expert]) <= CLEAR + 0.04
        weighted = shown[name].get("weighted_score")
        if by_neighbours and trust == 1 and support[expert] == 1 and weighted is not None:
            ends = sorted((weighted, float(training_set.means[expert])))
            assert ends[0] - 0.002 <= score[expert] <= ends[1] + 0.002


def _plain(sentence: str) -> float:
    """The record that a sentence tells, as a score."""
    if counted := COUNTED.search(sentence):
        return int(counted[1]) / int(counted[2])
    told = GRADED.search(sentence) or OVERALL.search(sentence)
    assert told is not None
    return float(told[1])
