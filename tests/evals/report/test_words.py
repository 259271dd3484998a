"""Numbers and texts as they are written."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.report import words
from evals.report.statistics.intervals import Interval

ANY = st.text(st.characters(exclude_categories=()))


@settings(deadline=None)
@given(ANY)
def test_what_is_visible_can_be_written_and_hides_nothing(text: str) -> None:
    shown = words.visible(text)
    shown.encode("utf-8")
    assert all(c in "\n\t" or (ord(c) >= 32 and not 0x7F <= ord(c) <= 0x9F) for c in shown)
    assert not set("\u202e\u2066\u2028\ufeff") & set(shown)
    assert words.visible(shown) == shown


def test_controls_are_named() -> None:
    assert words.visible("a\x00b\x1b[31m\u202ec\r\nd") == "a<U+0000>b<U+001B>[31m<U+202E>c\nd"


@settings(deadline=None)
@given(ANY, st.integers(10, 50))
def test_a_name_is_one_short_line(text: str, most: int) -> None:
    shown = words.name(text, most)
    assert len(shown) <= most
    assert "\n" not in shown


def test_a_long_text_keeps_both_ends() -> None:
    shown = words.shortened("a" * 500 + "b" * 500, 90)
    assert shown == "a" * 60 + " [... 910 characters ...] " + "b" * 30
    assert words.shortened("short", 5) == "short"


@pytest.mark.parametrize(
    ("value", "said"),
    [(3.21, "3.2 s"), (125, "2 min 05 s"), (3725, "1 h 02 min"), (119.99, "120.0 s")],
)
def test_durations(value: float, said: str) -> None:
    assert words.duration(value) == said


def test_differences_are_marked_where_they_are_sure() -> None:
    sure, unsure = Interval(0.1, 0.02, 0.2, 9), Interval(-0.01, -0.05, 0.03, 9)
    assert words.difference(sure) == "+10.0 (+2.0 to +20.0) *"
    assert words.difference(sure, marked=False) == "+10.0 (+2.0 to +20.0)"
    assert words.difference(unsure) == "-1.0 (-5.0 to +3.0)"
    assert words.share(sure) == "10.0 (2.0 to 20.0)"
    assert (words.share(None), words.difference(None), words.percent(None)) == ("-", "-", "-")
