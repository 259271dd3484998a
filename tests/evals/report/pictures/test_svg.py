"""Elements are escaped, ticks are round and inside."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.report.pictures.svg import Scale, element, text, ticks


def test_everything_is_escaped() -> None:
    assert text(1, 2.5, "<b>&", class_='"x"') == (
        '<text x="1" y="2.5" class="&#34;x&#34;">&lt;b&gt;&amp;</text>'
    )
    assert element("g", element("a", stroke_width=1.0)) == '<g><a stroke-width="1"></a></g>'


@settings(deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_inside_and_not_too_many(low: float, width: float) -> None:
    high = low + width
    found = ticks(low, high)
    if high > low:
        assert len(found) <= 8
        assert all(low - 1e-6 * width <= one <= high + 1e-6 * width + 1e-9 for one in found)
        assert found == sorted(set(found))


def test_ticks_are_round() -> None:
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert ticks(0.33, 0.47) == [0.35, 0.4, 0.45]
    assert ticks(5, 5) == [5]


def test_a_scale_without_width_puts_all_in_the_middle() -> None:
    assert Scale(0, 10, 100, 200).at(5) == 150
    assert Scale(3, 3, 100, 200).at(3) == pytest.approx(150)
