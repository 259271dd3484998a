"""In which order the lines of a batch are asked. Pure.

Lines that ask the same engines are a group. They come as they are routed; until all have come,
engines that are there stay. Where everything fits into the slots, or a group asks
one engine, groups are opened longest first, as many as fit together: what is open stays loaded, and
every engine is loaded once for all its lines. Panels whose engines cannot all be loaded together
come first, many of them at once, so that each engine is loaded once for what all of them ask it;
meanwhile the other lines of an engine are asked while it is there. Within a group, an expert's
lines follow one another: a step with several adapters of an engine takes longer than one with one.
"""

import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

WAITING = 2
"""With those whose engine has left after they were asked, so many times the window is under way."""

Engines = frozenset[str]
Experts = frozenset[str]


@dataclass(frozen=True, slots=True)
class Room:
    """What the slots can hold."""

    sizes: Mapping[str, float]
    """GB of each engine."""
    budgets: Sequence[float]
    """GB of each slot."""

    def holds(self, engines: Iterable[str]) -> bool:
        """Whether all of them can be loaded at once, each in one slot: the largest come first."""
        left = sorted(self.budgets, reverse=True)
        for size in sorted((self.sizes.get(name, 0.0) for name in engines), reverse=True):
            found = next((n for n, budget in enumerate(left) if size <= budget), None)
            if found is None:
                return False
            left[found] -= size
        return True


def panels_in_turns(groups: Iterable[Engines], room: Room) -> frozenset[Engines]:
    """Those that ask several engines, unless all engines of the batch can be loaded together."""
    every = frozenset(groups)
    together = room.holds(frozenset[str]().union(*every))
    return frozenset(one for one in every if len(one) > 1 and not together)


def repeated_loads(groups: Mapping[Engines, int], room: Room, panels: int) -> int:
    """Loads beside one of each engine, where more panels take turns than are asked at once.

    `groups` have so many lines, of which `panels` panels are asked at once.
    """
    taking_turns = panels_in_turns(groups, room)
    turns = math.ceil(sum(groups[one] for one in taking_turns) / panels)
    return max(0, turns - 1) * len(frozenset[str]().union(*taking_turns))


@dataclass(frozen=True, slots=True)
class Routed:
    """A line, by its number, and whom it asks."""

    number: int
    experts: Experts = field(default_factory=Experts)
    engines: Engines = field(default_factory=Engines)
    """What has to be loaded for them."""


@dataclass(slots=True)
class Group:
    """The lines that ask the same engines: one expert's after the other's, each in their order."""

    engines: Engines
    waiting: int = 0
    in_flight: int = 0
    opened: bool = False
    """Whether there is room for its engines beside those of others that are open."""
    came: bool = False
    """Whether its engines have been there."""
    _lines: dict[Experts, deque[int]] = field(default_factory=dict)

    def add(self, line: Routed) -> None:
        """It waits to be asked."""
        self._lines.setdefault(line.experts, deque()).append(line.number)
        self.waiting += 1

    def take(self) -> int:
        """The number of the line that is asked now."""
        experts, numbers = next(iter(self._lines.items()))
        number = numbers.popleft()
        if not numbers:
            del self._lines[experts]
        self.waiting -= 1
        self.in_flight += 1
        return number


class Feeder:
    """Says which line is asked next."""

    def __init__(
        self, room: Room, window: int, panels: int, resident: Callable[[], Mapping[str, str]]
    ) -> None:
        """At most `window` lines are under way, and beside them `panels` panels that take turns.

        As many lines again may wait for engines that had to leave. Panels that take turns are
        those whose engines cannot all be loaded together. `resident` tells which
        engines are loaded, or on their way in, and in which slot.
        """
        self._room = room
        self._window = window
        self._most_panels = panels
        self._resident = resident
        self._complete = False
        self._by_engines: dict[Engines, Group] = {}
        self._groups: dict[int, Group] = {}
        self._panels: list[Group] = []
        self._others: list[Group] = []

    def add(self, lines: Iterable[Routed]) -> None:
        """Lines that are to be asked."""
        for line in lines:
            group = self._by_engines.setdefault(line.engines, Group(line.engines))
            group.add(line)
            self._groups[line.number] = group
        taking_turns = panels_in_turns(self._by_engines, self._room)
        left = [group for group in self._by_engines.values() if group.waiting or group.in_flight]
        left.sort(key=lambda group: -group.waiting)
        self._panels = [one for one in left if one.engines in taking_turns]
        self._others = [one for one in left if one.engines not in taking_turns]
        self._open_more()

    def complete(self) -> None:
        """All lines have been added."""
        self._complete = True

    @property
    def left(self) -> int:
        """Lines that are not done."""
        return len(self._groups)

    @property
    def kept(self) -> Engines:
        """The engines that should stay: until they have answered all that is known to ask them.

        And as long as lines may come that nobody has routed yet.
        """
        if not self._complete:
            return frozenset[str]().union(*self._by_engines)
        there = self._resident().keys()
        # Those that cannot be asked any more make room for what the others wait for.
        idle_stay = self._under_way < WAITING * self._window
        busy = (
            one.engines
            for one in self._others
            if one.in_flight or (idle_stay and one.engines <= there)
        )
        return frozenset[str]().union(*busy)

    @property
    def _under_way(self) -> int:
        return sum(group.in_flight for group in self._others)

    def next(self) -> int | None:
        """The line to ask now; None while enough are under way, or none is left.

        Panels come first.
        """
        group = self._next_panel() or self._next_other()
        return None if group is None else group.take()

    def done(self, number: int) -> None:
        """A line that was asked has its result."""
        group = self._groups.pop(number)
        group.in_flight -= 1
        if not group.waiting and not group.in_flight:
            (self._others if group in self._others else self._panels).remove(group)
        self._open_more()

    def _next_panel(self) -> Group | None:
        if sum(group.in_flight for group in self._panels) >= self._most_panels:
            return None
        return next((group for group in self._panels if group.waiting), None)

    def _next_other(self) -> Group | None:
        resident = self._resident()
        for one in self._others:
            one.came = one.came or one.engines <= resident.keys()
        if self._is_full(resident):
            return None
        asking = [one for one in self._others if one.waiting and self._may_ask(one, resident)]
        busy: Counter[str] = Counter()
        for one in self._others:
            for slot in {resident.get(name, "") for name in one.engines}:
                busy[slot] += one.in_flight

        def rank(group: Group) -> tuple[bool, bool, int, int]:
            """A line of each group whose engines are not there, so that they come; then what is.

            Of that, the slot with the least to do, and in it the group that is under way: engines
            answer faster one after the other than side by side.
            """
            there = group.engines <= resident.keys()
            least = min((busy[resident.get(name, "")] for name in group.engines), default=0)
            return there or group.in_flight > 0, not there, least, -group.in_flight

        return min(asking, key=rank, default=None)

    def _is_full(self, resident: Mapping[str, str]) -> bool:
        """Lines whose engine had to leave for others wait, and the rest need not wait with them."""
        under_way = self._under_way
        if under_way < self._window or under_way >= WAITING * self._window:
            return under_way >= self._window
        left = (
            group for group in self._others if group.came and not group.engines <= resident.keys()
        )
        return under_way - sum(group.in_flight for group in left) >= self._window

    def _may_ask(self, group: Group, resident: Mapping[str, str]) -> bool:
        """While panels take turns, one line of each group waits for its engine to come."""
        if group.opened or group.engines <= resident.keys():
            return True
        return bool(self._panels) and not group.in_flight

    def _open_more(self) -> None:
        """Open groups while there is room, those first whose engines are there; none beside panels.

        A group whose last lines are under way makes room: the next one's engines are loaded
        meanwhile. Where none is open, the first one that is left is opened.
        """
        closed = [one for one in self._others if one.waiting and not one.opened]
        if self._panels or not closed:
            return
        resident = self._resident()
        closed.sort(key=lambda one: not one.engines <= resident.keys())
        for group in closed:
            busy = [one.engines for one in self._others if one.opened and one.waiting]
            group.opened = not busy or self._room.holds(group.engines.union(*busy))
