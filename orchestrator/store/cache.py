"""What a cache in a store keeps, and how it is bounded: bytes, age, and when it was used last."""

from collections import OrderedDict
from dataclasses import dataclass

ENTRY_BYTES = 256
"""What an entry takes beside its value, roughly; so the number of entries is bounded, too."""


@dataclass(frozen=True, slots=True)
class Put:
    """Keep `value` for `ttl_s` seconds in a cache of at most `max_bytes`.

    Where that is too much, what was used last longest ago leaves; a value that alone is too much is
    not kept. `only_new`: nothing happens where there is a value already.
    """

    value: bytes
    ttl_s: float
    max_bytes: int
    only_new: bool = False

    @property
    def size(self) -> int:
        """What it counts for."""
        return len(self.value) + ENTRY_BYTES


@dataclass(frozen=True, slots=True)
class Kept:
    """What came of a `Put`."""

    kept: bool
    evicted: int
    """How many others have left for it."""
    total_bytes: int
    """What the cache holds now; what is too old may count until it leaves like all others."""


class MemoryCache:
    """One cache in memory. Pure: the time is an argument."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._bytes = 0

    def get(self, key: str, now: float) -> bytes | None:
        """The value, which was used now; None where there is none, or it is too old."""
        entry = self._entries.get(key)
        if entry is None or entry[1] <= now:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: str, put: Put, now: float) -> Kept:
        """Keep a value."""
        if put.size > put.max_bytes or (put.only_new and self.get(key, now) is not None):
            return Kept(False, 0, self._bytes)
        self.drop(key)
        self._entries[key] = (put.value, now + put.ttl_s)
        self._bytes += put.size
        before = len(self._entries)
        while self._bytes > put.max_bytes:
            self.drop(next(iter(self._entries)))
        return Kept(True, before - len(self._entries), self._bytes)

    def drop(self, key: str) -> None:
        """Forget a value, if there is one."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= len(entry[0]) + ENTRY_BYTES
