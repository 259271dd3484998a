"""In which order calls are sent: one expert after the other, the most wanted first. Pure."""

from collections.abc import Hashable, Mapping


class Line:
    """The calls that wait, and how many are under way.

    A slot works for one engine at a time: the one with the most waiting calls, until it has none.
    Experts that no slot hosts are always asked.
    """

    def __init__(self, engines: Mapping[str, str], slots: int, in_flight: int) -> None:
        """`engines` tells, of each hosted expert, the engine that serves it."""
        self._engines = engines
        self._slots = slots
        self._in_flight = in_flight
        # Of each engine (or remote expert), in the order in which they came.
        self._waiting: dict[str, dict[Hashable, None]] = {}
        self._flying: dict[str, int] = {}
        self._turns: list[str] = []

    @property
    def turns(self) -> tuple[str, ...]:
        """The engines that are asked now, one for a slot at most."""
        return tuple(self._turns)

    def waiting(self, expert: str) -> int:
        """How many calls wait for an expert's engine."""
        return len(self._waiting.get(self._engine(expert), ()))

    @property
    def open(self) -> int:
        """How many calls wait or are under way."""
        return sum(map(len, self._waiting.values())) + sum(self._flying.values())

    def put(self, expert: str, call: Hashable) -> None:
        """A call begins to wait."""
        self._waiting.setdefault(self._engine(expert), {})[call] = None

    def drop(self, expert: str, call: Hashable) -> bool:
        """Nobody wants a call any longer; False where it is under way already."""
        waiting = self._waiting.get(self._engine(expert), {})
        if call not in waiting:
            return False
        del waiting[call]
        return True

    def take(self) -> Hashable | None:
        """The call to send next; None while nothing may be sent."""
        if sum(self._flying.values()) >= self._in_flight:
            return None
        wanted = [engine for engine, calls in self._waiting.items() if calls]
        self._turns = [engine for engine in self._turns if engine in wanted]
        hosted = set(self._engines.values())
        others = [e for e in wanted if e in hosted and e not in self._turns]
        others.sort(key=lambda engine: -len(self._waiting[engine]))
        self._turns += others[: self._slots - len(self._turns)]
        asked = [*self._turns, *(engine for engine in wanted if engine not in hosted)]
        if not asked:
            return None
        engine = min(asked, key=lambda one: self._flying.get(one, 0))
        call = next(iter(self._waiting[engine]))
        del self._waiting[engine][call]
        self._flying[engine] = self._flying.get(engine, 0) + 1
        return call

    def done(self, expert: str) -> None:
        """A call to the expert is no longer under way."""
        self._flying[self._engine(expert)] -= 1

    def _engine(self, expert: str) -> str:
        return self._engines.get(expert, expert)
