"""What first-come with LRU eviction would have loaded: the yardstick for saved loads."""

from collections import OrderedDict


class LruBaseline:
    """Replays arrivals against an imaginary pool that serves every request in its order."""

    def __init__(self, capacity_gb: float) -> None:
        self.loads: dict[str, int] = {}
        self.capacity_gb = capacity_gb
        self._held: OrderedDict[str, float] = OrderedDict()
        self._used_gb = 0.0

    def request(self, engine: str, memory_gb: float) -> None:
        """One request came in for `engine`, which takes `memory_gb`."""
        if engine in self._held:
            self._held.move_to_end(engine)
            return
        self.loads[engine] = self.loads.get(engine, 0) + 1
        while self._held and self._used_gb + memory_gb > self.capacity_gb:
            _, freed_gb = self._held.popitem(last=False)
            self._used_gb -= freed_gb
        self._held[engine] = memory_gb
        self._used_gb += memory_gb
