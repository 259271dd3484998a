"""Names stand where they cover nothing."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from evals.report.pictures.frontier import MOST_LABELLED, WIDTH, scatter
from evals.report.pictures.svg import CHAR
from evals.report.statistics.costs import frontier

POINTS = st.lists(
    st.tuples(st.text("abcdef-", min_size=3, max_size=30), st.floats(0, 1e3), st.floats(0, 1)),
    min_size=1,
    max_size=20,
)
LABEL = re.compile(r'<text x="([-\d.]+)" y="([-\d.]+)" class="small[^"]*halo">([^<]*)<')


@settings(max_examples=25, deadline=None)
@given(POINTS)
def test_names_are_inside_and_do_not_meet(points: list[tuple[str, float, float]]) -> None:
    svg = str(scatter(frontier(points), "USD").svg)
    boxes = [(float(x), float(y), len(name) * CHAR * 0.92) for x, y, name in LABEL.findall(svg)]
    for number, (x, y, width) in enumerate(boxes):
        assert -0.1 <= x <= x + width <= WIDTH + 0.1
        for left, top, wide in boxes[:number]:
            apart = x + width <= left + 0.1 or left + wide <= x + 0.1 or abs(y - top) >= 13.9
            assert apart
    assert svg.count("<circle") == len(points)
    assert "nan" not in svg


def test_of_many_subjects_only_those_on_the_frontier_are_named() -> None:
    many = [(f"subject-{k}", float(k), 0.5) for k in range(MOST_LABELLED + 5)]
    assert LABEL.findall(str(scatter(frontier(many), "USD").svg))[0][2] == "subject-0"
    assert len(LABEL.findall(str(scatter(frontier(many), "USD").svg))) == 1


def test_far_prices_are_logarithmic() -> None:
    near, far = [("a", 1.0, 0.5), ("b", 2.0, 0.6)], [("a", 0.1, 0.5), ("b", 50.0, 0.6)]
    assert "logarithmic" not in scatter(frontier(near), "USD").caption
    assert "logarithmic" in scatter(frontier(far), "USD").caption
