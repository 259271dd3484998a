"""The protocol of a store: small JSON values by key, and logs of numbered records."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from orchestrator.store.cache import Kept, Put
from orchestrator.store.draws import Draw, Drawn

Update = Callable[[Any], Any]
"""From a value to the one to keep, each None for none. Pure: it may be called twice."""


class Store(Protocol):
    """A place for values and records. Every method raises StoreError when it does not answer.

    What several gateways share is changed with `change` alone; `put` is for what only its writer
    reads again. A log takes the first record of every number and keeps it: who adds a record
    again, not knowing whether it was stored before a crash, does no harm.

    A store may lose what it has kept last, as a replica that takes over does. The next writing
    then does nothing and raises StoreError, and `forgotten` has grown: whoever goes on from what
    he has written reads anew what there is.
    """

    @property
    def forgotten(self) -> int:
        """How often it was found that what had been written is not there any more."""
        ...

    async def get(self, key: str) -> Any:
        """The value, or None."""
        ...

    async def put(self, key: str, value: Any) -> None:
        """Keep a value."""
        ...

    async def put_all(self, values: Mapping[str, Any]) -> None:
        """Keep values by their keys, all of them or none."""
        ...

    async def change(self, key: str, update: Update) -> Any:
        """Replace a value by what `update` makes of it, in one step; returns the new value.

        What `update` raises is raised, and nothing is changed.
        """
        ...

    async def items(
        self, prefix: str, after: str | None = None, limit: int | None = None, newest: bool = False
    ) -> list[tuple[str, Any]]:
        """The keys that begin so, with their values, sorted by key; with `newest`, backwards.

        At most `limit` of them, and only those that come after the key `after`, which begins so
        and need not be there. Nothing else is read.
        """
        ...

    async def draw(self, draws: Sequence[Draw]) -> list[Drawn]:
        """Draw from counters, all in one step; counters that nobody knows begin at 0.

        A counter may be lost with what a store loses: it begins anew then, and nothing is raised.
        """
        ...

    async def add(self, log: str, records: Mapping[int, bytes]) -> int:
        """Keep records under numbers from 0 on that have none yet; returns how many were new.

        All of them are kept, or none.
        """
        ...

    async def read(self, log: str, start: int, stop: int) -> list[tuple[int, bytes]]:
        """The records with numbers from `start` to `stop` - 1 that there are, in order."""
        ...

    async def numbers(self, log: str) -> frozenset[int]:
        """The numbers of all records."""
        ...

    async def drop(self, log: str) -> None:
        """Forget a log."""
        ...

    async def cache_get(self, cache: str, key: str) -> bytes | None:
        """The value in one of the store's caches, which was used now; None for none.

        A cache may lose whatever it holds; nothing is raised then.
        """
        ...

    async def cache_put(self, cache: str, key: str, put: Put) -> Kept:
        """Keep a value in a cache, in one step."""
        ...

    async def cache_drop(self, cache: str, key: str) -> None:
        """Forget a value of a cache, if there is one."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


def written(value: Any) -> str:
    """A value as it is stored."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
