"""What a body's JSON Schema takes is what its model takes, whatever the value."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from experts.errors import RequestError
from orchestrator.server.bodies.agents.messages import CountTokensBody, MessagesBody
from orchestrator.server.bodies.agents.responses import ResponsesBody
from orchestrator.server.bodies.extension import Extension
from orchestrator.server.bodies.feedback import FeedbackBody
from orchestrator.server.bodies.objects import said
from orchestrator.server.bodies.operations import ChatBody, CompletionBody
from orchestrator.server.bodies.tokenizer import DetokenizeBody, TokenizeBody
from orchestrator.server.schemas import parse_body, validated

MESSAGE = {"role": "user", "content": "x"}
SOUND: dict[type[BaseModel], dict[str, Any]] = {
    ChatBody: {"messages": [MESSAGE]},
    CompletionBody: {"prompt": "x"},
    Extension: {},
    FeedbackBody: {"request_id": "r", "score": 1},
    TokenizeBody: {"prompt": "x"},
    DetokenizeBody: {"tokens": [1]},
    CountTokensBody: {"messages": [MESSAGE]},
    MessagesBody: {"messages": [MESSAGE], "max_tokens": 8},
    ResponsesBody: {"input": "x"},
}
NUMBERS = (
    st.integers(-3, 70)
    | st.floats(-3, 3)
    | st.sampled_from([5.0, -2.0, 2**63, 2**63 - 1, -(2**63), -(2**63) - 1, 2.0**62])
)
SCALARS = st.none() | st.booleans() | NUMBERS | st.sampled_from(["", "a", "text", "left", "7"])
PART = st.fixed_dictionaries({}, optional={"type": SCALARS, "text": SCALARS})
CONTENT = SCALARS | st.lists(PART | SCALARS, max_size=2)
MESSAGES = st.lists(
    st.fixed_dictionaries({}, optional={"role": SCALARS, "content": CONTENT}) | SCALARS, max_size=2
)
LISTS = st.lists(SCALARS | st.lists(NUMBERS, max_size=2), max_size=3)
OBJECTS = st.dictionaries(
    st.sampled_from(["type", "calls", "tokens", "seconds", "5", "include_usage"]), SCALARS
)
VALUES = SCALARS | LISTS | MESSAGES | OBJECTS


def taken(kind: type[BaseModel], body: dict[str, Any]) -> bool:
    """Whether the server reads it without an objection."""
    known = kind.model_config.get("extra") == "allow" or body.keys() <= kind.model_fields.keys()
    try:
        if kind is Extension:
            parse_body({"model": "m", "prompt": "x", "coterie": body}, "completions", "r")
        else:
            validated(kind, said(body) if known else body)
    except RequestError as error:
        # Completions have no roles, which is no matter of types.
        return error.param == "coterie.role" and isinstance(body["role"], str)
    return True


@pytest.mark.parametrize("kind", SOUND, ids=lambda kind: kind.__name__)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_schema_and_model_agree(kind: type[BaseModel], data: st.DataObject) -> None:
    schema = kind.model_json_schema()
    names = [*schema["properties"], "no_such_field"]
    fields = data.draw(st.dictionaries(st.sampled_from(names), VALUES, max_size=2))
    body = {**SOUND[kind], **fields}
    assert jsonschema_rs.is_valid(schema, body) is taken(kind, body)
