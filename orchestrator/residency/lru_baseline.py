"""What first-come with LRU eviction would have loaded: the yardstick for saved loads."""

from collections import OrderedDict


class LruBaseline:
    """Replays arrivals against an imaginary pool that serves every request in its order."""

    def __init__(self, capacity_gb: float) -> None:
        self.arrivals: list[tuple[str, float]] = []
        """(engine, GiB that it takes) of requests that have not been replayed yet."""
        self._loads: dict[str, int] = {}
        self.capacity_gb = capacity_gb
        self._held: OrderedDict[str, float] = OrderedDict()
        self._used_gb = 0.0

    @property
    def loads(self) -> dict[str, int]:
        """Engine -> loads, after everything that has arrived."""
        self.replay()
        return self._loads

    def replay(self) -> None:
        """Take the arrivals in, in their order."""
        for engine, memory_gb in self.arrivals:
            self.request(engine, memory_gb)
        self.arrivals.clear()

    def request(self, engine: str, memory_gb: float) -> None:
        """One request came in for `engine`, which takes `memory_gb`."""
        if engine in self._held:
            self._held.move_to_end(engine)
            return
        self._loads[engine] = self._loads.get(engine, 0) + 1
        while self._held and self._used_gb + memory_gb > self.capacity_gb:
            _, freed_gb = self._held.popitem(last=False)
            self._used_gb -= freed_gb
        self._held[engine] = memory_gb
        self._used_gb += memory_gb
