"""Running estimates of what moving and serving an engine costs; kept in the store."""

from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any

from orchestrator.residency.state import Costs
from orchestrator.store import Store, StoreError

NEWEST_SHARE = 0.3
"""Weight of the newest measurement of a move."""
SERVICE_SHARE = 0.05
"""The same for one request, of which there are many."""

MAX_S = 1e9
"""More than this nothing takes: something else was in the store."""


class CostEstimates:
    """The costs of one engine, and which of them have been measured."""

    def __init__(self, key: str, costs: Costs, store: Store, say: Callable[[str], None]) -> None:
        self.costs = costs
        self._key = f"costs:{key}"
        self._store = store
        self._say = say
        self._measured: set[str] = set()

    async def recall(self) -> None:
        """Take over what an earlier run has measured."""
        try:
            kept = await self._store.get(self._key)
        except StoreError as error:
            self._say(f"the store did not tell what loads cost: {error}")
            return
        if kept is None:
            return
        if not isinstance(kept, dict) or not all(map(_is_seconds, kept.values())):
            self._say(f"the store holds something else under {self._key} than what loads cost")
            return
        for field in fields(Costs):
            if field.name in kept:
                setattr(self.costs, field.name, float(kept[field.name]))
                self._measured.add(field.name)
        self._follow()

    def measured(self, what: str, seconds: float) -> None:
        """Mix a measurement into the estimate `what`, a field of Costs."""
        share = SERVICE_SHARE if what == "service_s" else NEWEST_SHARE
        if what not in self._measured:
            self._measured.add(what)
            share = 1.0
        before: float = getattr(self.costs, what)
        setattr(self.costs, what, before + share * (seconds - before))
        self._follow()

    def _follow(self) -> None:
        """Until a wake has been seen, it is taken to cost what a load does."""
        if "load_s" in self._measured and "wake_s" not in self._measured:
            self.costs.wake_s = self.costs.load_s

    async def keep(self) -> None:
        """Write what is measured to the store."""
        values = {k: v for k, v in asdict(self.costs).items() if k in self._measured}
        try:
            await self._store.put(self._key, values)
        except StoreError as error:
            self._say(f"the store did not keep what loads cost: {error}")


def _is_seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < MAX_S
