"""A body is read by its own fields exactly as it would be by all of them."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from experts.types import Operation
from orchestrator.server.bodies.operations import BODIES
from orchestrator.server.bodies.readers import read_fields

VALUES = st.sampled_from(
    [
        None,
        True,
        0,
        1,
        5.0,
        0.5,
        -1,
        "text",
        [],
        ["a"],
        [1.0],
        {},
        {"type": "text"},
        [{"role": "x"}],
    ]
)


def _bodies(operation: Operation) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(sorted(BODIES[operation].model_fields)), VALUES)


@pytest.mark.parametrize("operation", list(BODIES))
@given(data=st.data())
def test_what_is_read_or_refused(operation: Operation, data: st.DataObject) -> None:
    kind, body = BODIES[operation], data.draw(_bodies(operation))
    wanted = _outcome(lambda: dict(kind.model_validate(body)))
    found = _outcome(lambda: read_fields(kind, body))
    if isinstance(wanted, dict):
        wanted = {name: wanted[name] for name in body}
    assert found == wanted


def _outcome(read: Callable[[], dict[str, Any]]) -> Any:
    """What is read, or the mistakes that are found, with their places."""
    try:
        return read()
    except ValidationError as error:
        return [(one["loc"], one["msg"]) for one in error.errors()]
