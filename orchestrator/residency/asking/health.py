"""Which experts are not asked for a while, and why: a breaker for each, and rests they ask for."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from experts.errors import (
    BadOutput,
    ExpertError,
    ExpertLost,
    ExpertMisconfigured,
    ExpertPaused,
    ExpertRefused,
    ExpertTimeout,
)
from orchestrator.config.resilience.section import BreakerConfig
from orchestrator.residency.asking.breaker import Breaker, Rules, State

LOGGER = logging.getLogger("coterie.residency")
RATE_LIMITED = 429
FAILURES = 500
"""From here on, a status tells of the server, not of the request."""
_FAILED = (ExpertLost, ExpertTimeout, BadOutput, ExpertMisconfigured)


@dataclass(slots=True)
class _Record:
    """What is known of one expert."""

    breaker: Breaker
    reason: str = ""
    """Of the last failure."""
    rests_until: float = 0.0
    """Its server has asked for that."""


def is_failure(error: ExpertError) -> bool:
    """Whether an error tells that the expert is ill, and not that it was asked wrongly."""
    if isinstance(error, ExpertRefused):
        return error.status >= FAILURES
    return isinstance(error, _FAILED)


class Health:
    """How the calls of all experts have gone."""

    def __init__(
        self,
        config: BreakerConfig | None,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Without a configuration, every expert is always asked."""
        self._rules = None if config is None else Rules(**config.model_dump())
        self._clock = clock
        self._draw = draw
        self._records: dict[str, _Record] = {}
        self.watched: set[str] = set()
        """Those that have failed lately, or want to rest. Of others nothing needs to be told."""

    def adopt(self, config: BreakerConfig | None) -> None:
        """Go by these rules from now on; under others, every expert begins anew."""
        rules = None if config is None else Rules(**config.model_dump())
        if rules != self._rules:
            self._rules = rules
            self._records.clear()
            self.watched.clear()

    def forget(self, expert: str) -> None:
        """It is another one now, under the same name."""
        self._records.pop(expert, None)
        self.watched.discard(expert)

    def enter(self, expert: str) -> int | None:
        """A request wants to ask an expert that is watched; the number of its trial, if it is one.

        That is to be given back with `left`. Raises ExpertPaused.
        """
        record, now = self._records[expert], self._clock()
        if now < record.rests_until:
            raise self._paused(expert, record, now)
        allowed, trial = record.breaker.enter(now)
        if not allowed:
            raise self._paused(expert, record, now)
        if record.breaker.calm(now):
            self.watched.discard(expert)
        return trial

    def left(self, expert: str, trial: int) -> None:
        """A trial is over, whatever came of it."""
        if (record := self._records.get(expert)) is not None:
            record.breaker.left(trial)

    def succeeded(self, expert: str, trial: int | None = None) -> None:
        """A call of an expert that is watched has had its first token."""
        if self._records[expert].breaker.succeeded(self._clock(), trial):
            LOGGER.info("expert %s answers again, and is asked as before", expert)

    def failed(self, expert: str, error: ExpertError, trial: int | None = None) -> None:
        """A call has failed before its first token; what a client did wrong does not count."""
        if self._rules is None:
            return
        now = self._clock()
        if isinstance(error, ExpertRefused) and error.status == RATE_LIMITED:
            self._rest(expert, error, now)
        if not is_failure(error):
            return
        record = self._record(expert)
        record.reason = error.message
        if record.breaker.failed(now, self._draw(), trial):
            seconds = record.breaker.retry_at - now
            words = "expert %s keeps failing, and is not asked for %.1f s: %s"
            LOGGER.warning(words, expert, seconds, record.reason)

    @property
    def paused(self) -> tuple[str, ...]:
        """The experts of which a request would be refused now."""
        now = self._clock()
        return tuple(name for name in self.watched if self._is_paused(self._records[name], now))

    def snapshot(self, expert: str) -> dict[str, Any]:
        """How it stands, as plain JSON."""
        record, now = self._records.get(expert), self._clock()
        if record is None:
            return {"state": State.CLOSED.value, "opened": 0, "retry_in_s": 0.0, "reason": ""}
        breaker = record.breaker
        return {
            "state": breaker.state(now).value,
            "opened": breaker.opened,
            "retry_in_s": round(self._wait_s(record, now), 3),
            "reason": record.reason if self._is_paused(record, now) else "",
        }

    def _record(self, expert: str) -> _Record:
        self.watched.add(expert)
        record = self._records.get(expert)
        if record is None:
            assert self._rules is not None, "somebody counts"
            record = self._records[expert] = _Record(Breaker(self._rules))
        return record

    def _rest(self, expert: str, error: ExpertRefused, now: float) -> None:
        """Its server takes no more requests for a while: the next ones would fare no better."""
        if not error.retry_after_s:
            return
        assert self._rules is not None, "somebody counts"
        record, seconds = self._record(expert), min(error.retry_after_s, self._rules.open_max_s)
        if record.rests_until <= now:
            LOGGER.warning("expert %s wants to rest, and is not asked for %.1f s", expert, seconds)
        record.rests_until, record.reason = now + seconds, error.message

    def _is_paused(self, record: _Record, now: float) -> bool:
        return now < record.rests_until or record.breaker.refuses(now)

    def _wait_s(self, record: _Record, now: float) -> float:
        until = record.rests_until
        if record.breaker.state(now) is State.OPEN:
            until = max(until, record.breaker.retry_at)
        return max(0.0, until - now)

    def _paused(self, expert: str, record: _Record, now: float) -> ExpertPaused:
        return ExpertPaused(
            f"Expert {expert} is not asked for a moment, since it failed: {record.reason}",
            expert=expert,
            retry_after_s=self._wait_s(record, now),
        )
