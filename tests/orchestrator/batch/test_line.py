"""Whose line it is, even where the rest of it cannot be read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.batch.line import custom_id_of


@pytest.mark.parametrize("rest", [b"", b' "body": {', b' "n": ' + b"1" * 5000 + b"}"])
def test_a_line_that_cannot_be_read_may_still_say_whose_it_is(rest: bytes) -> None:
    assert custom_id_of(b'{ "custom_id": "q-1",' + rest) == "q-1"


@given(st.text())
def test_an_id_is_never_another_one(name: str) -> None:
    whole = json.dumps({"custom_id": name, "method": "POST"}).encode()
    assert custom_id_of(whole) == (name or None)
    assert custom_id_of(whole[:-1]) in (name, None)


def test_an_id_elsewhere_in_a_broken_line_is_nobodys() -> None:
    assert custom_id_of(b'{"body": {"custom_id": "inner"') is None
