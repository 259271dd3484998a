"""Nearest neighbours: whom it chooses, why, and what it does about gaps in the table."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experts.errors import ConfigError
from routers.knn import KnnRouter
from routers.outcomes import Outcome, OutcomeTable

POOL = ("adder", "atlas")


@pytest.fixture
def make(tmp_path, encoder) -> Callable[..., Any]:
    def make(outcomes, experts=POOL, **keys) -> Any:
        path = tmp_path / "made.parquet"
        OutcomeTable.from_rows(outcomes).write(path)
        config = KnnRouter.Config(type="knn", outcomes=path, **keys)
        return KnnRouter("auto", config, experts, lambda: encoder)

    return make


def test_chooses_the_specialist(make, outcomes, ask) -> None:
    router = make(outcomes, neighbours=3)
    decisions = router.route([ask("add six seven"), ask("capital of italy")])

    assert [decision.scores[0][0] for decision in decisions] == ["adder", "atlas"]
    assert decisions[0].scores[0][1] > 0.7 > 0.3 > decisions[0].scores[1][1]


def test_reason_and_training_set_say_what_the_neighbours_show(make, outcomes, ask) -> None:
    decision = make(outcomes, neighbours=4).route([ask("add one two")])[0]

    assert decision.reason == (
        "The 4 nearest probe questions are sums; adder answered 4 of 4 right."
    )
    assert decision.evidence["tasks"] == {"sums": 4}
    atlas = decision.evidence["experts"]["atlas"]
    assert (atlas["answered"], atlas["mean_score"], atlas["weighted_score"]) == (4, 0.0, 0.0)
    assert atlas["expected_score"] == round(dict(decision.scores)["atlas"], 3)
    assert len(decision.evidence["neighbours"]) == 3
    assert decision.evidence["neighbours"][0] == {
        "query": "add one two",
        "task": "sums",
        "similarity": 1.0,
        "scores": {"adder": 1.0, "atlas": 0.0},
    }
    json.dumps(decision.evidence)


def test_reason_for_mixed_neighbours_and_partial_scores(make, outcomes, ask) -> None:
    graded = [
        Outcome(o.query_id, o.task, o.query, o.expert, "1", o.score * 0.5 + 0.25) for o in outcomes
    ]
    decision = make(graded, neighbours=8).route([ask("add one two")])[0]

    assert decision.reason.startswith("The 8 nearest probe questions are mixed: 4 sums, 4 cities;")
    assert decision.reason.endswith(
        "adder scored 0.50 on 8 of them. Its expected score is 0.70, because nearer questions count"
        " more."
    )


def test_reason_for_one_neighbour(make, outcomes, ask) -> None:
    decision = make(outcomes, neighbours=1).route([ask("capital of peru")])[0]

    assert decision.reason == ("The nearest probe question is cities; atlas answered 1 of 1 right.")


def test_more_neighbours_than_questions(make, outcomes, ask) -> None:
    decision = make(outcomes, neighbours=1000).route([ask("add one two")])[0]

    assert sum(decision.evidence["tasks"].values()) == 8


def test_score_is_the_weighted_mean_drawn_to_the_overall_mean(make, ask, encoder) -> None:
    rows = [
        Outcome("a", "t", "abab", "one", "1", 1.0),
        Outcome("b", "t", "abcc", "one", "1", 0.0),
    ]
    router = make(rows, experts=("one",), neighbours=2, temperature=0.2, prior_weight=0.5)
    score = router.route([ask("ab")])[0].scores[0][1]

    near, far = encoder.encode(["abab", "abcc"]) @ encoder.encode(["ab"])[0]
    far *= np.exp((far - near) / 0.2)
    assert score == pytest.approx((near * 1 + 0.5 * 0.5) / (near + far + 0.5), abs=1e-4)


def test_an_expert_without_answers_nearby_does_not_win(make, outcomes, ask) -> None:
    partial = [o for o in outcomes if o.expert == "adder" or o.task == "cities"]
    decision = make(partial, neighbours=4).route([ask("add one two")])[0]

    assert [expert for expert, _ in decision.scores] == ["adder", "atlas"]
    atlas = decision.evidence["experts"]["atlas"]
    assert (atlas["answered"], atlas["mean_score"], atlas["weighted_score"]) == (0, None, None)
    assert atlas["support"] < 1


def test_ties_go_to_the_higher_overall_mean_then_by_name(make, ask) -> None:
    def row(query, expert, score) -> Outcome:
        return Outcome(query, "t", query, expert, "1", score)

    # `zed` is as good as the others beside the request, and better far away.
    rows = [row("aa", expert, 1.0) for expert in ("zed", "bob", "amy")]
    rows += [row("qq", "zed", 1.0), row("qq", "bob", 1.0), row("qq", "amy", 1.0)]
    names = [n for n, _ in make(rows, ("zed", "bob", "amy")).route([ask("aa")])[0].scores]
    assert names == ["amy", "bob", "zed"]

    rows += [row("xx", "zed", 1.0), row("xx", "bob", 0.999999), row("xx", "amy", 0.999999)]
    router = make(rows, ("zed", "bob", "amy"), neighbours=1, prior_weight=1e-9)
    decision = router.route([ask("aa")])[0]
    assert decision.scores == (("zed", 1.0), ("amy", 1.0), ("bob", 1.0))


def test_pool_and_table_may_differ(make, outcomes, ask) -> None:
    router = make(outcomes, experts=("adder", "newcomer"))

    assert router.route([ask("capital of chad")])[0].scores[0][0] == "adder"
    assert len(router.warnings) == 1
    assert "newcomer is never chosen" in router.warnings[0]
    assert "coterie profile --config FILE" in router.warnings[0]
    assert make(outcomes).warnings == ()


def test_many_experts_without_outcomes_are_one_warning(make, outcomes) -> None:
    router = make(outcomes, experts=("adder", *(f"new-{n}" for n in range(7))))
    (warning,) = router.warnings
    assert "new-0, new-1, new-2, new-3, new-4 and 2 more are never chosen" in warning


def test_questions_that_only_others_answered_are_no_neighbours(make, outcomes, ask) -> None:
    mine = [o for o in outcomes if o.expert == "adder" and o.task == "sums"]
    theirs = [o for o in outcomes if o.expert == "atlas" and o.task == "cities"]
    decision = make(mine + theirs, experts=("adder",)).route([ask("capital of peru")])[0]

    assert decision.evidence["tasks"] == {"sums": 4}


def test_table_without_any_of_the_experts(make, outcomes) -> None:
    with pytest.raises(ConfigError, match=r"routers\.auto\.outcomes: .* knows none of .* \(eve\)"):
        make(outcomes, experts=("eve",))


def test_missing_table(encoder) -> None:
    config = KnnRouter.Config(type="knn", outcomes=Path("nowhere.parquet"))

    with pytest.raises(ConfigError, match=r"nowhere\.parquet: there is no outcome table"):
        KnnRouter("auto", config, POOL, lambda: encoder)


def test_stored_vectors_are_not_computed_again(tmp_path, outcomes, encoder) -> None:
    path = tmp_path / "embedded.parquet"
    table = OutcomeTable.from_rows(outcomes).with_embeddings(encoder)
    table.write(path)
    encoder.encoded.clear()
    KnnRouter("auto", KnnRouter.Config(type="knn", outcomes=path), POOL, lambda: encoder)

    assert encoder.encoded == [table.queries()[0].text]  # The one that loads the weights.


TABLES = st.lists(
    st.tuples(
        st.text(alphabet="abcdef ", min_size=1, max_size=6),
        st.sampled_from(["one", "two", "three"]),
        st.sampled_from([0.0, 0.3, 1.0]),
    ),
    min_size=1,
    max_size=20,
)


# The fixtures hold nothing that one example could leave to the next.
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None
)
@given(TABLES, st.integers(1, 12), st.lists(st.text("abcdef ", max_size=8), max_size=5))
def test_scores_of_any_table_lie_between_what_the_expert_scored(
    make, ask, cells, neighbours, queries
) -> None:
    rows = [Outcome(query, "t", query, expert, "1", score) for query, expert, score in cells]
    pool = ("one", cells[0][1], "unasked")
    router = make(rows, tuple(dict.fromkeys(pool)), neighbours=neighbours)
    requests = [ask(query) for query in queries]
    decisions = router.route(requests)

    assert decisions == [router.route([request])[0] for request in requests]
    for decision in decisions:
        for expert, score in decision.scores:
            # The last row of a question counts.
            own = list({row.query_id: row.score for row in rows if row.expert == expert}.values())
            # Where others know more about a question, what it scored elsewhere counts for less.
            least = min(own) if len({expert for _, expert, _ in cells}) == 1 else 0.0
            assert least - 1e-6 <= score <= max(own) + 1e-6
