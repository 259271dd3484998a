"""A gateway that runs batches over a store, without models, and dies when it is told to."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from experts.errors import RequestError
from experts.types import Request
from orchestrator.batch.batches import Batches
from orchestrator.batch.desk import Answered, Prediction
from orchestrator.batch.feeding import Room
from orchestrator.batch.files import Files
from orchestrator.batch.line import Line
from orchestrator.batch.runner import BatchRunner
from orchestrator.config.batches_section import BatchesConfig
from orchestrator.request.context import RequestContext
from orchestrator.request.decider import Foreseen
from orchestrator.store.base import Store


class MortalStore:
    """A store that answers so many calls; in the next one, done or not, its gateway is killed."""

    def __init__(self, store: Store, calls: float, *, last_is_done: bool = False) -> None:
        self._store = store
        self._left = calls
        self._last_is_done = last_is_done
        self.died = asyncio.Event()

    @property
    def forgotten(self) -> int:
        return self._store.forgotten

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*args: Any, **keys: Any) -> Any:
            self._left -= 1
            if self._left >= 0 or (self._last_is_done and not self.died.is_set()):
                done = await getattr(self._store, name)(*args, **keys)
            if self._left < 0:
                self.died.set()
                await asyncio.Event().wait()
            return done

        return call


class PlainDesk:
    """Answers a line with its own question; it refuses `wrong`, and breaks off at `broken`."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def read(self, line: Line, endpoint: str, request_id: str, owner: str | None) -> RequestContext:
        if line.body["model"] == "wrong":
            raise RequestError("It is wrong.")
        if line.body["model"] == "broken":
            raise ZeroDivisionError
        return RequestContext(Request(request_id, "chat/completions", line.body), "any")

    def refused(self, error: RequestError, request_id: str) -> Answered:
        return Answered(400, request_id, {"error": {"message": error.message}})

    async def foresee(self, contexts: Sequence[RequestContext]) -> Sequence[Foreseen | Answered]:
        return [Foreseen(Counter({one.request.body["model"]: 1})) for one in contexts]

    async def answer(self, context: RequestContext) -> Answered:
        self.asked.append(context.id)
        if context.request.body["model"] == "silent":
            await asyncio.Event().wait()
        model = context.request.body["model"]
        body = {**context.request.body, "usage": {"prompt_tokens": 1}}
        if model == "frail":  # Its first answer may be bettered, but never is.
            first = self.asked.count(context.id) == 1
            return Answered(200 if first else 502, context.id, body, 0.0)
        return Answered(400 if model == "refused" else 200, context.id, body)

    def engine(self, expert: str) -> str | None:
        return None

    def room(self) -> Room:
        return Room({}, ())

    def resident(self) -> Mapping[str, str]:
        return {}

    def follow(self, before: AbstractSet[str], now: AbstractSet[str]) -> None:
        pass

    def loads(self) -> int:
        return 0

    def predict(
        self, calls: Mapping[str, int], again: int, resident: Mapping[str, str]
    ) -> Prediction:
        return Prediction(0, 0.0)


class MortalGateway:
    """Files, batches and their runner, of one gateway."""

    def __init__(self, name: str, store: Any, clock: Callable[[], float]) -> None:
        self.desk = PlainDesk()
        self.files = Files(store, 1.0, name, clock)
        self.batches = Batches(store, self.files, clock)
        self.runner = BatchRunner(name, store, self.files, self.batches, self.desk, BatchesConfig())
        self._others = asyncio.all_tasks()
        self.runner.start()

    def kill(self) -> None:
        """As by kill -9: what it has begun has no end."""
        for task in asyncio.all_tasks() - self._others:
            task.cancel()


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    """What is uploaded."""
    yield content
