"""An engine from outside can do anything, and it costs its own expert only."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from experts.engine import Answer, complete
from experts.errors import BadOutput, ExpertTimeout
from experts.guarded import GuardedEngine
from experts.types import Request

REQUEST = Request("r-1", "chat/completions", {"messages": []})
EVENT = b'data: {"choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]}\n\n'


class Scripted:
    """Does what its script says, at each of the places where an engine can fail."""

    name = "mine"

    def __init__(self, script: str) -> None:
        self.script = script
        self.closed = False

    async def open(self, request: Request, asked_model: str) -> Any:
        if self.script == "open":
            raise ZeroDivisionError
        if self.script == "own":
            raise ExpertTimeout("too slow", expert="mine")
        if self.script == "kind":
            return b"hi"
        if self.script == "type":
            return Answer(None, self._pieces())  # type: ignore[arg-type]
        if self.script == "close":
            return Answer("text/event-stream", self._pieces(), self._break)
        return Answer("text/event-stream", self._pieces())

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        try:
            yield EVENT
            if self.script == "text":
                yield "text"  # type: ignore[misc]
            if self.script == "pieces":
                raise ZeroDivisionError
        finally:
            self.closed = True

    async def _break(self) -> None:
        raise ZeroDivisionError


async def test_a_good_engine_answers() -> None:
    assert (await complete(GuardedEngine(Scripted("")), REQUEST)).text == "hi"


@pytest.mark.parametrize("script", ["open", "kind", "type", "text", "pieces"])
async def test_whatever_goes_wrong_is_the_experts_own_error(script: str) -> None:
    with pytest.raises(BadOutput) as caught:
        await complete(GuardedEngine(Scripted(script)), REQUEST)
    assert caught.value.expert == "mine"


async def test_one_that_cannot_be_closed_has_answered_all_the_same() -> None:
    assert (await complete(GuardedEngine(Scripted("close")), REQUEST)).text == "hi"


async def test_errors_of_ours_pass() -> None:
    with pytest.raises(ExpertTimeout):
        await complete(GuardedEngine(Scripted("own")), REQUEST)


async def test_leaving_an_answer_closes_the_engines() -> None:
    engine = Scripted("")
    answer = await GuardedEngine(engine).open(REQUEST, "mine")
    assert await anext(answer.pieces) == EVENT
    await answer.aclose()
    assert engine.closed
