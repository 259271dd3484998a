"""Steps the engine cores of one process in turn, on its event loop.

vLLM keeps its forward context and its current configuration in module globals, so two engines of
one process must never step or load at the same time. Steps run on the event loop, which is idle
meanwhile anyway: it waits for their tokens. Loads run in a thread; nothing steps meanwhile, except
where a load gives way (`turns/giving_way.py`).
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from threading import Event
from typing import Any, Protocol, TypeVar

Result = TypeVar("Result")
LONG_S = 0.03
"""A step that takes as long holds up what others do between two of theirs."""
REST_SHARE = 0.1
"""After a long step, the event loop gets this share of its time before anything else steps.

A request takes a dozen turns of the loop from its socket to its engine, and as many back. With one
turn between two steps, each would take as long as a step.
"""
PAUSE_S = 0.002
"""Until it is looked again whether one that has come is asked, while all others wait for it."""
WELCOME_S = 0.5
"""For as long, one that has come may be asked, and answer, before what may come later goes on."""
GATHERS = 10
"""So many times as long steps wait for what is arriving, where nobody is in a hurry.

Much of a step's time is its own and not its requests': fewer and fuller ones take less together.
"""
OTHERS_SHARE = 0.5
"""After a long step, engines with short ones have this share of its time to themselves."""


class Steppable(Protocol):
    """An engine core."""

    @property
    def busy(self) -> bool: ...

    @property
    def hurried(self) -> bool:
        """Whether somebody waits for one of its requests: not all may come later than others."""
        ...

    @property
    def requests(self) -> frozenset[Hashable]:
        """What tells its requests apart."""
        ...

    def step(self) -> None: ...


class Stepper:
    """Steps every engine core of the process, one after the other.

    On the event loop and not in a thread of its own: with a thread, the interpreter lock changes
    hands at every operation of a step, which costs a fifth of the throughput (docs/log.md).
    """

    def __init__(self, gather_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._clients: list[Steppable] = []
        self._took_s: dict[int, float] = {}
        """What the last step of each client took."""
        self._worked_s: dict[int, float] = {}
        """What all steps of each client took."""
        self._long_at = -math.inf
        """When the next long step may begin, while others have work."""
        self._leaving: dict[int, frozenset[Hashable]] = {}
        """Clients that leave, with the requests that they had then."""
        self._new: Newcomer | None = None
        self._executor = ThreadPoolExecutor(1, "engines")
        self._blocked = 0
        self._quick: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()
        """What came while a load was under way."""
        self._scheduled = False
        self._resting = False
        self._arriving = 0
        self._gather_s = gather_s
        self._gathering: asyncio.TimerHandle | None = None

    async def submit(self, function: Callable[[], Result]) -> Result:
        """Run `function`, which blocks for long, in the thread; no engine steps meanwhile."""
        self._blocked += 1
        running = self._loop.run_in_executor(self._executor, function)
        running.add_done_callback(self._unblock)
        return await asyncio.shield(running)  # A caller that leaves does not end what it started.

    async def call(self, function: Callable[[], Result]) -> Result:
        """Run `function`, which is quick, between two steps."""
        if self._blocked:
            done: asyncio.Future[Result] = self._loop.create_future()
            self._quick.append((function, done))
            return await asyncio.shield(done)
        result = function()
        self.wake()
        return result

    def soon(self, function: Callable[[], None]) -> None:
        """Run `function`, which is quick, on the event loop; safe to call from any thread."""
        self._loop.call_soon_threadsafe(function)

    def give_way(self) -> None:
        """Called by `function` in its thread: returns when every engine has made a step.

        But for those that have only what may come later: somebody waits for the load.
        """
        if not self._quick and not any(client.hurried for client in self._clients):
            return
        stepped = Event()

        def turn() -> None:
            try:
                self._run_quick()
                for client in tuple(self._clients):
                    if client.hurried:
                        self._step_one(client)
            finally:
                stepped.set()

        self._loop.call_soon_threadsafe(turn)
        stepped.wait()

    def _unblock(self, _: object) -> None:
        self._blocked -= 1
        if not self._blocked:
            self._run_quick()
        self.wake()

    def _run_quick(self) -> None:
        while self._quick:
            function, done = self._quick.popleft()
            try:
                result = function()
            except Exception as error:
                if not done.done():
                    done.set_exception(error)
            else:
                if not done.done():
                    done.set_result(result)

    def wake(self) -> None:
        """Schedule a step: there may be work."""
        if not self._scheduled and not self._blocked and not self._resting:
            self._scheduled = True
            self._loop.call_soon(self._step)

    def expect(self) -> "Arrival":
        """Announce a request on its way to an engine: steps wait for it, for `gather_s` at most.

        They wait longer where all that the engines have may come later.

        Requests that come together then start in the same step, and end in the same step. Else
        the last of them would drag a row of nearly empty steps behind (docs/log.md).
        """
        self._arriving += 1
        return Arrival(self)

    def arrived(self) -> None:
        """Tell that an expected request has arrived, or is no longer coming."""
        self._arriving -= 1
        if not self._arriving and self._gathering is not None:
            self._gathering.cancel()
            self._stop_gathering()

    def _step(self) -> None:
        self._scheduled = False
        if self._gathering is not None:
            return
        if self._arriving:
            self._gather(GATHERS)
        else:
            self._step_all()

    def _gather(self, times: int) -> None:
        self._gathering = self._loop.call_later(self._gather_s, self._gathered, times - 1)

    def _gathered(self, times: int) -> None:
        if times and self._arriving and not self._hurried():
            self._gather(times)
        else:
            self._stop_gathering()

    def _hurried(self) -> bool:
        """Whether somebody waits for an answer, or for an engine to leave."""
        return bool(self._leaving) or any(client.hurried for client in self._clients)

    def _stop_gathering(self) -> None:
        self._gathering = None
        self._step_all()

    def _step_all(self) -> None:
        if self._blocked:
            return
        busy = [client for client in self._clients if client.busy]
        first = self._first(busy)
        took_s = self._step_in_turn(first)
        if took_s > LONG_S:
            self._rest(REST_SHARE * took_s)
        elif busy and not first:
            self._rest(PAUSE_S)
        elif any(client.busy for client in self._clients):
            self.wake()

    def _rest(self, seconds: float) -> None:
        self._resting = True
        self._loop.call_later(seconds, self._rested)

    def _rested(self) -> None:
        self._resting = False
        self.wake()

    def _step_in_turn(self, busy: list[Steppable]) -> float:
        """Step the engines whose steps are short; the others take turns.

        Returns the seconds of a long step, or 0.
        """
        longest_s = 0.0
        slow = [client for client in busy if self._took_s.get(id(client), 0.0) > LONG_S]
        quick = [client for client in busy if client not in slow]
        for client in quick:
            longest_s = max(longest_s, self._step_one(client))
        if slow and (not quick or self._clock() >= self._long_at):
            first = min(slow, key=self._clients.index)
            longest_s = max(longest_s, self._step_one(first))
            if first in self._clients:  # The next time it is another one's turn.
                self._clients.remove(first)
                self._clients.append(first)
        if longest_s > LONG_S:
            self._long_at = self._clock() + OTHERS_SHARE * longest_s
        return longest_s if longest_s > LONG_S else 0.0

    def _step_one(self, client: Steppable) -> float:
        began = self._clock()
        client.step()
        took_s = self._took_s[id(client)] = self._clock() - began
        if id(client) in self._worked_s:  # It may have removed itself.
            self._worked_s[id(client)] += took_s
        return took_s

    def hasten(self, client: Steppable) -> None:
        """Let `client`, which leaves, finish what it has before others do what may come later.

        Else its last requests would share the time with all that the others have, and whoever waits
        for its place would wait for that as well.
        """
        self._leaving[id(client)] = client.requests

    def welcome(self, client: Steppable) -> None:
        """Let `client`, which has come, answer its first request before others do what may wait.

        That one finds out whether it answers rightly, and whoever waits for it waits for that, too.
        """
        self._new = Newcomer(client, self._clock() + WELCOME_S)

    def _first(self, busy: list[Steppable]) -> list[Steppable]:
        """Those that may step now: all, unless one comes or leaves and the others can wait."""
        if not self._leaving and self._new is None:
            return busy
        first = [client for client in busy if self._leaves(client)]
        if self._new is not None and not self._new.settles(self._clock()):
            self._new = None
        if not first and self._new is None:
            return busy
        new = None if self._new is None else self._new.client
        return [one for one in busy if one in first or one is new or one.hurried]

    def _leaves(self, client: Steppable) -> bool:
        """Whether it still has one of the requests that it had when it was to leave."""
        had = self._leaving.get(id(client))
        if had is None:
            return False
        if had.isdisjoint(client.requests):
            del self._leaving[id(client)]
            return False
        return True

    def steps(self, client: Steppable) -> bool:
        """Whether `client` is stepped here."""
        return client in self._clients

    def worked_s(self, client: Steppable) -> float:
        """The seconds that the steps of `client` have taken together."""
        return self._worked_s.get(id(client), 0.0)

    def add(self, client: Steppable) -> None:
        """Step `client` from now on."""
        self._clients.append(client)
        self._worked_s[id(client)] = 0.0

    def remove(self, client: Steppable) -> None:
        """Stop stepping `client`."""
        if client in self._clients:
            self._clients.remove(client)
            self._took_s.pop(id(client), None)
            self._worked_s.pop(id(client), None)
            self._leaving.pop(id(client), None)


@dataclass(slots=True)
class Newcomer:
    """A client that has come, until it has answered its first requests, or nobody asks it."""

    client: Steppable
    until: float
    _first: frozenset[Hashable] = frozenset()

    def settles(self, now: float) -> bool:
        """Whether it has yet to answer.

        That it is busy does not tell: of what has ended, a core reports in its next step.
        """
        has = self.client.requests
        self._first = self._first or has
        return now < self.until and not (self._first and self._first.isdisjoint(has))


ARRIVAL: ContextVar["Arrival | None"] = ContextVar("ARRIVAL", default=None)
"""The request that the current task is bringing to an engine."""


class Arrival:
    """A request on its way from the socket to its engine; a context around its handling."""

    def __init__(self, stepper: Stepper) -> None:
        self._stepper: Stepper | None = stepper

    def over(self) -> None:
        """Tell that it has reached the engine, or never will. Later calls do nothing."""
        if self._stepper is not None:
            stepper, self._stepper = self._stepper, None
            stepper.arrived()

    def __enter__(self) -> None:
        ARRIVAL.set(self)

    def __exit__(self, *_: object) -> None:
        self.over()
