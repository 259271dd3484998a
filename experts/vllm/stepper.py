"""Steps the engine cores of one process in turn, on its event loop.

vLLM keeps its forward context and its current configuration in module globals, so two engines of
one process must never step or load at the same time. Steps run on the event loop, which is idle
meanwhile anyway: it waits for their tokens. Loads run in a thread; nothing steps meanwhile, except
where a load gives way (`giving_way.py`).
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from threading import Event
from typing import Any, Protocol, TypeVar

Result = TypeVar("Result")


class Steppable(Protocol):
    """An engine core."""

    @property
    def busy(self) -> bool: ...

    def step(self) -> None: ...


class Stepper:
    """Steps every engine core of the process, one after the other.

    On the event loop and not in a thread of its own: with a thread, the interpreter lock changes
    hands at every operation of a step, which costs a fifth of the throughput (docs/log.md).
    """

    def __init__(self, gather_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._clients: list[Steppable] = []
        self._executor = ThreadPoolExecutor(1, "engines")
        self._blocked = 0
        self._quick: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()
        """What came while a load was under way."""
        self._scheduled = False
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
        """Called by `function` in its thread: returns when every engine has made a step."""
        if not self._quick and not any(client.busy for client in self._clients):
            return
        stepped = Event()

        def turn() -> None:
            try:
                self._run_quick()
                self._step_clients()
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
        if not self._scheduled and not self._blocked:
            self._scheduled = True
            self._loop.call_soon(self._step)

    def expect(self) -> "Arrival":
        """Announce a request on its way to an engine: steps wait for it, for `gather_s` at most.

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
            self._gathering = self._loop.call_later(self._gather_s, self._stop_gathering)
        else:
            self._step_all()

    def _stop_gathering(self) -> None:
        self._gathering = None
        self._step_all()

    def _step_all(self) -> None:
        if self._blocked:
            return
        self._step_clients()
        if any(client.busy for client in self._clients):
            self.wake()

    def _step_clients(self) -> None:
        for client in tuple(self._clients):
            client.step()

    def add(self, client: Steppable) -> None:
        """Step `client` from now on."""
        self._clients.append(client)

    def remove(self, client: Steppable) -> None:
        """Stop stepping `client`."""
        if client in self._clients:
            self._clients.remove(client)


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
