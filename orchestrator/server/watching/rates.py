"""What every expert answers per second, from two looks at what has been counted."""

from collections.abc import Callable, Mapping

from orchestrator.server.bodies.console.watching import Rate
from orchestrator.server.telemetry.metrics import Spent


class Rates:
    """What has changed between one look and the next."""

    def __init__(self, read: Callable[[], Mapping[str, Spent]], clock: Callable[[], float]) -> None:
        self._read = read
        self._clock = clock
        self._before, self._at = dict(read()), clock()

    def take(self) -> dict[str, Rate]:
        """Expert -> its rates since the last look; those without any are left out."""
        now, at = dict(self._read()), self._clock()
        seconds = at - self._at
        before, self._before, self._at = self._before, now, at
        if seconds <= 0:
            return {}
        found: dict[str, Rate] = {}
        for expert, spent in now.items():
            known = before.get(expert, Spent())
            calls, tokens = spent.calls - known.calls, spent.tokens - known.tokens
            if calls or tokens:
                found[expert] = {
                    "requests_s": round(calls / seconds, 3),
                    "tokens_s": round(tokens / seconds, 3),
                }
        return found
