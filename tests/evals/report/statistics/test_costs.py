"""Costs are summed, and the frontier holds what nobody beats."""

from hypothesis import given, settings
from hypothesis import strategies as st

from evals.report.statistics.costs import costs, frontier
from evals.runs.record import LoadEvent, Row, Tokens

POINTS = st.lists(
    st.tuples(st.text(max_size=3), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12
)


@settings(deadline=None)
@given(POINTS)
def test_a_point_is_on_the_frontier_unless_another_is_as_good_for_less(
    points: list[tuple[str, int, int]],
) -> None:
    given_ = [(name, float(price), float(quality)) for name, price, quality in points]
    best = {(p.price, p.quality) for p in frontier(given_) if p.best}
    for _, price, quality in given_:
        beaten = any(
            (p <= price and q >= quality) and (p < price or q > quality) for _, p, q in given_
        )
        assert beaten != ((price, quality) in best)


def test_costs_are_sums_and_loads_those_of_the_experts_called() -> None:
    rows = [
        Row(subject="s", task="t", sample=str(k), category="c", question="q", score=1.0,
            calls={"a": 2, "b": 0}, tokens={"a": Tokens(prompt=5, completion=3)}, price_usd=0.25,
            seconds=1.5, error="broke" if k else None)
        for k in range(2)
    ]  # fmt: skip
    loads = [LoadEvent(expert=e, slot="s", at_s=0, seconds=1) for e in ("a", "a", "b")]
    found = costs(rows, loads)
    assert (found.answers, found.failed, found.calls) == (2, 1, 4)
    assert (found.tokens, found.completion_tokens, found.price_usd) == (16, 6, 0.5)
    assert (found.seconds, found.experts, found.loads) == (3.0, 1, 2)
    assert found.per_answer(found.calls) == 2
    assert costs([], []).per_answer(0) == 0
