"""What an expert says is noted up to a bound."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.request.tracing.said import Said


@given(st.lists(st.text(max_size=9), max_size=9), st.integers(0, 30))
def test_the_beginning_is_noted_and_that_it_is_one(pieces: list[str], most: int) -> None:
    said = Said("units", "first answers", most)
    for piece in pieces:
        said.add(piece)
    whole = "".join(pieces)
    assert said.record() == {
        "expert": "units",
        "stage": "first answers",
        "text": whole[:most],
        "cut": len(whole) > most,
        "error": None,
    }


def test_a_try_that_succeeds_makes_good_for_one_that_failed() -> None:
    said = Said("units", "round 1", 10)
    said.error = "expert_lost"
    assert said.record()["error"] == "expert_lost"
    said.add("yes")
    assert said.record()["error"] is None
