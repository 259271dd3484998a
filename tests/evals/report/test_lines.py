"""One line of a run, whatever is in it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.report.lines import Damaged, parse, record, validated
from evals.runs.record import Candidate, Row, Tokens

ROW = {"subject": "s", "task": "t", "sample": "1", "category": "c", "question": "q", "score": 1.0}


@settings(deadline=None)
@given(st.text(), st.text(), st.floats(0, 1))
def test_a_row_is_read_as_it_was_written(answer: str, name: str, score: float) -> None:
    row = Row(
        subject="s", task="t", sample="1", category="c", question="q", answer=answer, score=score,
        candidates=(Candidate(expert=name, text=answer),), tokens={name: Tokens(prompt=1)},
    )  # fmt: skip
    unknown: set[str] = set()
    assert record(Row, row.model_dump_json().encode(), unknown) == row
    assert validated(Row, parse(json.dumps(row.model_dump()).encode()), unknown) == row
    assert not unknown


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_bytes_are_a_row_or_damaged(content: bytes) -> None:
    with pytest.raises(Damaged):
        record(Row, content, set())


def test_lone_surrogates_are_replaced_and_pairs_kept() -> None:
    line = json.dumps({**ROW, "answer": "\ud800 \U0001f600"}).encode()
    assert record(Row, line, set()).answer == "\ufffd \U0001f600"


def test_unknown_keys_are_left_out_and_told_at_any_depth() -> None:
    tree = {
        **ROW,
        "new": 1,
        "candidates": [{"expert": "a", "text": "", "mood": "good"}, {"expert": "b", "text": ""}],
    }
    unknown: set[str] = set()
    found = record(Row, json.dumps(tree).encode(), unknown)
    assert [one.expert for one in found.candidates] == ["a", "b"]
    assert unknown == {"new", "candidates.mood"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"score": 2}, "score: Input should be less than or equal to 1."),
        ({"score": "good", "new": 1}, "score: Input should be a valid number"),
        ({"price_usd": float("nan")}, "has a number that is none: NaN."),
        ({"draw": -1}, "draw: Input should be greater than or equal to 0."),
        ({"question": None}, "question: Input should be a valid string."),
    ],
)
def test_a_mistake_is_named(change: dict[str, object], said: str) -> None:
    with pytest.raises(Damaged) as caught:
        record(Row, json.dumps({**ROW, **change}).encode(), set())
    assert said in str(caught.value) or "not a finite number" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"subject": "s", "ta', "is not JSON: Unterminated string"),
        (b"\xff", "byte 1 is not UTF-8."),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"seconds": 1e999}', "subject: Field required."),
        (b"[]", "the document: Input should be a valid dictionary"),
        (b"9" * 5000, "number that is none"),
    ],
)
def test_what_is_no_row_says_why(content: bytes, said: str) -> None:
    with pytest.raises(Damaged, match=said):
        record(Row, content, set())


def test_an_infinite_number_is_none() -> None:
    line = json.dumps({**ROW, "seconds": 0.0}).encode().replace(b"0.0", b"1e999")
    with pytest.raises(Damaged, match="seconds: is not a finite number"):
        record(Row, line, set())
