"""An expert's own system prompt and sampling, and what of the client's counts before them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.engine import Answer, HasEndpoints, Reply
from experts.persona import Sampling, with_persona
from experts.types import Request

OWN = {"temperature": st.floats(0, 2), "max_tokens": st.integers(1, 9), "seed": st.just(3)}
SETTINGS = st.fixed_dictionaries({}, optional=OWN)


class Heard:
    """An engine that remembers what it was asked."""

    name = "one"

    def __init__(self) -> None:
        self.bodies: list[Mapping[str, Any]] = []

    async def open(self, request: Request, asked_model: str) -> Answer:
        self.bodies.append(request.body)
        return Answer("application/json", _nothing())


class Served(Heard):
    async def call(self, method: str, path: str, body: Mapping[str, Any] | None) -> Reply:
        self.bodies.append(body or {})
        return Reply(200, "application/json", b"{}")


async def _nothing() -> AsyncGenerator[bytes, None]:
    return
    yield b""


async def heard(body: Mapping[str, Any], system: str | None = None, **sampling: Any) -> Any:
    engine, chat = Heard(), "prompt" not in body
    made = with_persona(engine, system, Sampling(**sampling).given)
    await made.open(Request("r", "chat/completions" if chat else "completions", body), "m")
    return engine.bodies[0]


USER = {"role": "user", "content": "Hello"}


@pytest.mark.parametrize(
    ("first", "system"),
    [
        ([], "Be short."),
        ([{"role": "system", "content": "Rhyme."}], "Be short.\n\nRhyme."),
        ([{"role": "developer", "content": "Rhyme."}], "Be short.\n\nRhyme."),
        ([{"role": "system", "content": ""}], "Be short."),
        (
            [{"role": "system", "content": [{"type": "text", "text": "Rhyme."}]}],
            [{"type": "text", "text": "Be short."}, {"type": "text", "text": "Rhyme."}],
        ),
    ],
)
async def test_its_system_prompt_comes_before_the_clients(first: Any, system: Any) -> None:
    messages = (await heard({"messages": [*first, USER]}, "Be short."))["messages"]
    assert [message["content"] for message in messages] == [system, "Hello"]


async def test_a_completion_has_no_system_prompt() -> None:
    assert await heard({"prompt": "Once"}, "Be short.") == {"prompt": "Once"}


@given(SETTINGS, SETTINGS)
async def test_the_clients_values_count_first(own: dict[str, Any], sent: dict[str, Any]) -> None:
    body = await heard({"messages": [USER], **sent}, **own)
    assert body == {"messages": [USER], **own, **sent}


async def test_either_bound_of_tokens_is_the_clients() -> None:
    body = await heard({"messages": [USER], "max_completion_tokens": 5}, max_tokens=9)
    assert "max_tokens" not in body


async def test_what_a_server_counts_has_the_system_prompt_too() -> None:
    engine = Served()
    made = with_persona(engine, "Be short.", Sampling().given)
    assert isinstance(made, HasEndpoints)
    await made.call("POST", "tokenize", {"messages": [USER]})
    await made.call("GET", "version", None)
    assert [len(body.get("messages", ())) for body in engine.bodies] == [2, 0]


def test_an_engine_that_offers_no_more_is_not_said_to() -> None:
    assert not isinstance(with_persona(Heard(), "Be short.", Sampling().given), HasEndpoints)
    engine = Heard()
    assert with_persona(engine, None, Sampling().given) is engine
