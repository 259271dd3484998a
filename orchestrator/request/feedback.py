"""Clients' scores of answers: learned from at once, and kept as rows for the next fit."""

import asyncio
import json
import logging
import sys
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from experts.errors import RequestError, StoreError
from experts.types import Request
from orchestrator.config.model import Config
from orchestrator.store.base import Store
from routers.base import Decision
from routers.learning import Bandit, Draw, LearningConfig
from routers.reading import reading

LOGGER = logging.getLogger("coterie.feedback")
KEY = "learning:"
RECORD_BYTES = 1024
"""What a remembered request takes beside its question, roughly."""
Asker = tuple[str | None, str]
"""The name of the API key, None where there are none, and the request's id."""


class FeedbackTaken(TypedDict):
    """What a score was good for."""

    expert: str
    learned: bool
    recorded: bool


@dataclass(frozen=True, slots=True)
class _Answered:
    """A request that a feedback may be about."""

    composition: str
    query: str
    """Empty where no rows are kept, since only they need it."""
    expert: str
    asked: Draw | None

    @property
    def size(self) -> int:
        """Bytes that it takes in memory."""
        return RECORD_BYTES + sys.getsizeof(self.query)


class Feedback:
    """Remembers the last requests of compositions, and what their clients thought of them."""

    def __init__(self, config: Config, store: Store) -> None:
        self._settings = config.feedback
        self._store = store
        self._learning: dict[str, LearningConfig] = {
            name: c.learning for name, c in config.compositions.items() if c.learning
        }
        new = {name: Bandit.new(config.answering, c) for name, c in self._learning.items()}
        self._mixtures: dict[str, Bandit] = new
        self._answered: OrderedDict[Asker, _Answered] = OrderedDict()
        self._size = 0
        self._room = int(config.feedback.remember_mb * (1 << 20))
        self._writing = asyncio.Lock()

    async def adopt(self, config: Config) -> None:
        """Learn for the compositions of another configuration; what is remembered stays."""
        other = Feedback(config, self._store)
        await other.start()
        known = {
            name: self._mixtures[name]
            for name, mixture in other._mixtures.items()
            if name in self._mixtures and _fits(dict(self._mixtures[name].weights), mixture)
        }
        self._settings, self._room = other._settings, other._room
        self._learning, self._mixtures = other._learning, {**other._mixtures, **known}

    async def start(self) -> None:
        """Go on with what the store remembers; one that does not answer costs what was learned."""
        for name, mixture in self._mixtures.items():
            try:
                stored = await self._store.get(KEY + name)
            except StoreError:
                continue
            if _fits(stored, mixture):
                self._mixtures[name] = Bandit(stored)

    def choose(
        self, composition: str, decision: Decision, request: Request
    ) -> tuple[Decision, Draw | None]:
        """The decision with the expert first that is to be asked, where there is learning."""
        config = self._learning.get(composition)
        if config is None or not decision.scores:
            return decision, None
        return self._mixtures[composition].choose(decision, config, request.id)

    def remember(
        self,
        composition: str,
        request: Request,
        expert: str,
        asked: Draw | None,
        api_key_name: str | None = None,
    ) -> None:
        """A later `give` with the same key may be about this request.

        The oldest are forgotten, by their number and by the memory that they take.
        """
        if not self._settings.remember or not expert:
            return
        query = reading(request) if self._settings.file is not None else ""
        answered = _Answered(composition, query, expert, asked)
        self._forget((api_key_name, request.id))
        self._answered[api_key_name, request.id] = answered
        self._size += answered.size
        while len(self._answered) > self._settings.remember or self._size > self._room:
            self._forget(next(iter(self._answered)))

    def _forget(self, asker: Asker) -> _Answered | None:
        answered = self._answered.pop(asker, None)
        self._size -= answered.size if answered is not None else 0
        return answered

    async def give(
        self, request_id: str, score: float, api_key_name: str | None = None
    ) -> FeedbackTaken:
        """Take a score of 0 (wrong) to 1 (right). Raises RequestError for an unknown request.

        A request can be scored once, with the key that it was sent with. `recorded` is false in the
        reply where there is no file for scores, or it cannot be written.
        """
        answered = self._forget((api_key_name, request_id))
        if answered is None:
            raise RequestError(
                f"No answer of a composition to a request {request_id} of yours is remembered: it"
                " was scored already, is too old (feedback.remember, feedback.remember_mb), or was"
                " given by another gateway.",
                param="request_id",
            )
        learns = answered.asked is not None and answered.composition in self._learning
        learned = learns and await self._learn(answered, score)
        recorded = self._settings.file is not None and await self._record(
            self._settings.file, request_id, answered, score
        )
        return {"expert": answered.expert, "learned": learned, "recorded": recorded}

    def weights(self) -> dict[str, dict[str, float]]:
        """What has been learned, by composition."""
        return {
            name: {policy: round(weight, 4) for policy, weight in mixture.weights.items()}
            for name, mixture in self._mixtures.items()
        }

    async def _learn(self, answered: _Answered, score: float) -> bool:
        name = answered.composition
        asked, own = answered.asked, self._mixtures[name]
        assert asked is not None
        config = self._learning[name]

        def learned(stored: Any) -> dict[str, float]:
            """From what all gateways together have learned so far."""
            known = Bandit(stored) if _fits(stored, own) else own
            return dict(known.learn(asked, score, config).weights)

        try:
            self._mixtures[name] = Bandit(await self._store.change(KEY + name, learned))
        except StoreError:  # It is known here.
            self._mixtures[name] = Bandit(learned(None))
        return True

    async def _record(self, file: Path, request_id: str, answered: _Answered, score: float) -> bool:
        row = {
            "query_id": f"served/{request_id}",
            "task": answered.composition,
            "query": answered.query,
            "expert": answered.expert,
            "score": score,
        }
        line = json.dumps(row, ensure_ascii=True) + "\n"
        async with self._writing:
            try:
                await asyncio.to_thread(_append, file, line)
            except OSError:
                LOGGER.exception("a score could not be written to %s", file)
                return False
        return True


def _fits(stored: Any, mixture: Bandit) -> bool:
    """Whether these are the weights of the same policies."""
    return isinstance(stored, dict) and stored.keys() == mixture.weights.keys()


def _append(file: Path, line: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as opened:
        opened.write(line)
