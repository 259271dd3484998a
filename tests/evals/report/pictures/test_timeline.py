"""Loads over time, bounded."""

from evals.report.pictures.timeline import MOST_ROWS, timeline
from evals.runs.record import LoadEvent


def _loads(count: int, slots: int = 2) -> list[LoadEvent]:
    return [
        LoadEvent(expert=f"e{k}", slot=f"slot-{k % slots}", at_s=float(k), seconds=0.5)
        for k in range(count)
    ]


def test_every_load_is_a_bar_in_the_colour_of_its_slot() -> None:
    found = timeline([*_loads(4), *_loads(2)], 10.0)
    svg = str(found.svg)
    assert svg.count("<title>") == 6
    assert svg.count('class="slot1"') == 3 + 1  # And one in the key.
    assert "seconds since the first call" in svg
    assert found.caption == "Every bar is a load; a bar's colour is its slot."


def test_many_experts_are_bounded_and_one_slot_needs_no_key() -> None:
    found = timeline(_loads(MOST_ROWS + 3, slots=1), 1000.0)
    assert str(found.svg).count("<title>") == MOST_ROWS
    assert "minutes since the first call" in str(found.svg)
    assert found.caption.startswith("Every bar is a load into slot-0.")
    assert "The 3 experts with fewest loads are left out." in found.caption
