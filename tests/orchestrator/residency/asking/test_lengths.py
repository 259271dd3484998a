"""When a server is asked for its context: until it has told, and not again and again."""

import json
from collections.abc import Mapping
from typing import Any

from experts.engine import Answer, Reply
from experts.errors import ExpertLost
from experts.spec import OpenAISpec
from experts.types import Request
from orchestrator.residency.asking.lengths import AGAIN_S, Lengths

SPEC = OpenAISpec(type="openai", base_url="http://127.0.0.1/api", model="m")


class Server:
    """Answers what it is given, one after the other; None is a lost connection."""

    name = "far"

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.paths: list[str] = []

    async def open(self, request: Request, asked_model: str) -> Answer:
        raise NotImplementedError

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None) -> Reply:
        self.paths.append(path)
        answer = self._answers.pop(0)
        if answer is None:
            raise ExpertLost("It broke.", expert="far")
        return Reply(200, "application/json", json.dumps(answer).encode())


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_server_is_asked_again_after_a_while_until_it_tells() -> None:
    told = {"data": [{"id": "m", "max_context_length": 512}]}
    server, clock = Server(None, [1], {"data": ["m"]}, told), Clock()
    lengths = Lengths({"far": SPEC}, {"far": server}, clock)
    for _ in range(3):
        assert await lengths.known() == {}
        assert await lengths.known() == {}
        clock.now += AGAIN_S
    assert await lengths.known() == {"far": 512}
    clock.now += AGAIN_S
    assert await lengths.known() == {"far": 512}
    assert server.paths == ["models"] * 4


async def test_what_is_configured_is_not_asked_for() -> None:
    server = Server()
    spec = SPEC.model_copy(update={"max_model_len": 99})
    assert await Lengths({"far": spec}, {"far": server}).known() == {"far": 99}
    assert server.paths == []
