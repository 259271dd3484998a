"""In which order the lines of a batch are asked. Pure.

Lines that ask the same engines are a group. Groups are opened longest first, as many as fit into
the slots together: what is open stays loaded, and every engine is loaded once for all its lines.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Engines = frozenset[str]


@dataclass(slots=True)
class Group:
    """The lines that ask the same engines, in their order."""

    engines: Engines
    waiting: deque[int] = field(default_factory=deque)
    in_flight: int = 0


class Feeder:
    """Says which line is asked next, while at most `window` are under way."""

    def __init__(
        self,
        lines: Iterable[tuple[int, Engines]],
        sizes: Mapping[str, float],
        room: float,
        window: int,
    ) -> None:
        """`lines` are numbers with the engines that they ask; `sizes` and `room` are GB."""
        groups: dict[Engines, Group] = {}
        for number, engines in lines:
            groups.setdefault(engines, Group(engines)).waiting.append(number)
        longest_first = sorted(groups.values(), key=lambda group: -len(group.waiting))
        self._closed = deque(longest_first)
        self._open: list[Group] = []
        self._turn = 0
        self._sizes = sizes
        self._room = room
        self._window = window
        self._groups = {number: group for group in longest_first for number in group.waiting}
        self._open_more()

    @property
    def left(self) -> int:
        """Lines that are not done."""
        return len(self._groups)

    def next(self) -> int | None:
        """The line to ask now; None while enough are under way, or none is left.

        Open groups take turns, so that no slot is without work.
        """
        in_flight = sum(group.in_flight for group in self._open)
        waiting = [group for group in self._open if group.waiting]
        if in_flight >= self._window or not waiting:
            return None
        self._turn = (self._turn + 1) % len(waiting)
        group = min(
            (waiting[(self._turn + step) % len(waiting)] for step in range(len(waiting))),
            key=lambda one: one.in_flight,
        )
        group.in_flight += 1
        return group.waiting.popleft()

    def done(self, number: int) -> None:
        """A line that was asked has its result."""
        group = self._groups.pop(number)
        group.in_flight -= 1
        if not group.waiting and not group.in_flight:
            self._open.remove(group)
        self._open_more()

    def _open_more(self) -> None:
        """Open groups while there is room, and the first one that is left where none is open.

        A group whose last lines are under way makes room: the next one's engines are loaded
        meanwhile.
        """
        while self._closed:
            fitting = next((g for g in self._closed if self._fits(g)), None)
            if fitting is None and any(group.waiting for group in self._open):
                return
            chosen = fitting or self._closed[0]
            self._closed.remove(chosen)
            self._open.append(chosen)

    def _fits(self, group: Group) -> bool:
        busy = [one.engines for one in self._open if one.waiting]
        engines = group.engines.union(*busy)
        return sum(self._sizes.get(name, 0.0) for name in engines) <= self._room
