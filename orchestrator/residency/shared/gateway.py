"""A gateway's side of a pool that it shares: begins requests on loans, and asks for the others."""

import asyncio
import logging
import time
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast

from experts.errors import ExpertError, ExpertUnavailable, ReloadRefused, ServiceError
from experts.footprint.device import expected
from experts.spec import HostedSpec
from orchestrator.config.model import SlotsConfig
from orchestrator.residency.changing.changes import step_to
from orchestrator.residency.changing.happenings import Happenings
from orchestrator.residency.changing.roster import Roster
from orchestrator.residency.engines import HostedSlot, hosted_engines
from orchestrator.residency.machine.state import FIRST, SlotState
from orchestrator.residency.pool_view import PoolView, gone
from orchestrator.residency.scheduler import Place
from orchestrator.residency.shared import messages as told
from orchestrator.residency.shared.link import Away, Link
from orchestrator.residency.shared.loans import Borrowed, Loans
from orchestrator.residency.shared.mirror import FarSlot, hear
from orchestrator.residency.slot import Slot

REPORT_S = 0.05
"""So late the controller hears of requests that began on a loan, and of those that ended."""
RETRY_S = 0.2

logger = logging.getLogger("coterie.residency")


@dataclass(slots=True, eq=False)
class Waiting:
    """A request that has asked for its turn."""

    expert: str
    since: float
    max_wait_s: float | None
    stage: int
    turn: "asyncio.Future[told.Granted]"


@dataclass(slots=True, eq=False)
class Running:
    """A request that has begun."""

    number: int
    expert: str
    slot: str
    borrowed: Borrowed | None


class SharedScheduler:
    """What `Scheduler` is to a gateway that is alone."""

    def __init__(
        self,
        specs: Mapping[str, HostedSpec],
        config: SlotsConfig,
        link: Link,
        pool: str,
        on_event: Callable[[str], None],
        break_off: Callable[[str], None],
    ) -> None:
        """`pool` is a digest of the experts and slots; `on_event` hears what is loaded.

        `break_off` learns the URL of a slot that is out of reach.
        """
        self._break_off = break_off
        self._link, self._pool, self._say = link, pool, on_event
        self._config, self._specs = config, dict(specs)
        self._engines = Roster(hosted_engines(specs, config, expected(config.gpus)))
        slots = {f"slot-{n}": _far_slot(f"slot-{n}", config) for n in range(config.most)}
        self._first_come: Mapping[str, int] = {}
        self.view = PoolView(self._specs, self._engines, slots, lambda: self._first_come)
        """What the controller has told last."""
        self.happenings = Happenings(config.remember_moves)
        self._loans = Loans()
        self._name = uuid.uuid4().hex
        self._number = 0
        self._waiting: dict[int, Waiting] = {}
        self._running: dict[int, Running] = {}
        self._expects: Counter[tuple[str, bool]] = Counter()
        self._follows: Counter[str] = Counter()
        self._chooses = 0
        self._events: list[told.Event] = []
        self._batch = self._life = 0
        self._news, self._urgent = asyncio.Event(), asyncio.Event()
        self._joins, self._joining = 0, asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._away = self._winding_down = False
        self._seen = asyncio.Event()

    async def start(self, strict: bool = False) -> None:
        """Join the pool. Raises ServiceError; if `strict`, ExpertUnavailable as `Scheduler`."""
        await self._join(0)
        self._tasks = [asyncio.create_task(one()) for one in (self._tell, self._listen)]
        await self._seen.wait()
        for expert, why in self.view.failed().items() if strict else ():
            raise ExpertUnavailable(f"Expert {expert} could not be loaded: {why}", expert=expert)

    async def reconfigure(
        self, specs: Mapping[str, HostedSpec], renewed: Collection[str] = ()
    ) -> None:
        """As `Scheduler.reconfigure`: the pool hosts what any of its gateways is configured with.

        Raises ReloadRefused also where the controller is away.
        """
        try:
            await self._link.reconfigure(self._who, specs, renewed)
        except (Away, told.UnknownGateway) as error:
            raise ReloadRefused("The pool's controller is away.", hint="Try again.") from error
        device = expected(self._config.gpus)
        wanted = await asyncio.to_thread(hosted_engines, specs, self._config, device)
        step = step_to(self._engines, wanted, renewed)
        self._engines.change(step.come, step.go)
        for engine in step.go:
            self._engines.forget(engine.state)
        self._specs.clear()
        self._specs.update(specs)

    def _is_served(self, expert: str) -> bool:
        engine = self._engines.serving(expert)
        return engine is not None and engine.state.serves

    def wind_down(self) -> None:
        """Wait for no load any more."""
        self._winding_down = True
        for number, waiting in tuple(self._waiting.items()):
            if not self._is_served(waiting.expert):
                del self._waiting[number]
                self._note(told.Over(number, answered=False), at_once=True)
                if not waiting.turn.done():
                    waiting.turn.set_exception(_stopping(waiting.expert))

    async def stop(self) -> None:
        """Leave the pool, to the others or to nobody."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for waiting in self._waiting.values():
            if not waiting.turn.done():
                waiting.turn.set_exception(_stopping(waiting.expert))
        with suppress(Away, told.UnknownGateway):
            await self._link.goodbye(self._name)

    async def acquire(self, expert: str, max_wait_s: float | None, stage: int = FIRST) -> Place:
        """As `Scheduler.acquire`."""
        self._number += 1
        number = self._number
        engine = self._engines.serving(expert)
        if engine is None:
            raise gone(expert)
        if (borrowed := self._loans.take(engine.name, expert)) is not None:
            self._note(told.Begun(number, expert, borrowed.loan.number))
            return self._begins(number, expert, borrowed.loan.where, borrowed)
        if self._winding_down and not self._is_served(expert):
            raise _stopping(expert)
        turn: asyncio.Future[told.Granted] = asyncio.get_running_loop().create_future()
        since = time.monotonic()
        self._waiting[number] = Waiting(expert, since, max_wait_s, stage, turn)
        self._note(told.Waits(number, expert, 0.0, max_wait_s, stage), at_once=True)
        try:
            granted = await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                turn.exception()  # Else it would be reported as never seen.
            if self._waiting.pop(number, None) or self._running.pop(number, None):
                self._note(told.Over(number, answered=False), at_once=True)
            raise
        place = self._begins(number, expert, granted.where, None)
        waited_s = time.monotonic() - since
        load_s = min(granted.load_s, waited_s)
        return Place(
            place.url, place.token, place.slot, place.ticket, *_ms(waited_s - load_s, load_s)
        )

    def _begins(
        self, number: int, expert: str, where: told.Where, borrowed: Borrowed | None
    ) -> Place:
        running = Running(number, expert, where.slot, borrowed)
        self._running[number] = running
        return Place(f"{where.url}/e/{expert}", where.token, where.slot, running)

    def release(self, place: Place) -> None:
        """A request is over."""
        running = place.ticket
        assert isinstance(running, Running), "it is of this scheduler"
        if running.borrowed is not None:
            running.borrowed.running[running.expert] -= 1
        if self._running.pop(running.number, None) is not None:
            self._note(told.Over(running.number, answered=True))

    def expect(self, expert: str, unhurried: bool) -> None:
        """As `Scheduler.expect`, and so are the others."""
        self._expects[expert, unhurried] += 1
        self._note(told.Expects(expert, unhurried, 1), at_once=True)

    def expect_no_more(self, expert: str, unhurried: bool) -> None:
        self._expects[expert, unhurried] -= 1
        self._note(told.Expects(expert, unhurried, -1), at_once=True)

    def follow(self, engine: str, batches: int) -> None:
        self._follows[engine] += batches
        self._note(told.Follows(engine, batches), at_once=True)

    @contextmanager
    def choosing(self) -> Iterator[None]:
        self._choose(1)
        try:
            yield
        finally:
            self._choose(-1)

    def _choose(self, change: int) -> None:
        self._chooses += change
        self._note(told.Chooses(change), at_once=True)

    async def suspect(self, expert: str, slot_id: str) -> bool:
        try:
            return await self._link.suspect(expert, slot_id)
        except Away:
            return True  # Whatever it was, it is not known to be the expert.

    async def refresh(self) -> None:
        with suppress(Away):
            await self._link.refresh()

    # Telling.

    def _note(self, event: told.Event, *, at_once: bool = False) -> None:
        self._events.append(event)
        self._news.set()
        if at_once:
            self._urgent.set()

    async def _tell(self) -> None:
        """Report what happens: what nobody waits for a little later, and together."""
        while True:
            await self._news.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(REPORT_S):
                    await self._urgent.wait()
            async with self._joining:  # Until what is under way was told to a new one.
                self._news.clear()
            self._urgent.clear()
            joins, events, self._events = self._joins, self._events, []
            self._batch += 1
            await self._report(joins, self._batch, events)

    async def _report(self, joins: int, batch: int, events: Sequence[told.Event]) -> None:
        """Until it is known there. A controller that is new is told all that is under way."""
        while joins == self._joins:
            try:
                await self._link.report(self._who, batch, events)
            except told.UnknownGateway:
                await self._join(joins)
            except Away as error:
                await self._wait_for_it(error)
            else:
                return

    async def _join(self, joins: int) -> None:
        """Say hello, with all that is under way; once, whoever finds out that it is needed."""
        async with self._joining:
            while joins == self._joins:
                self._loans.clear()
                self._events.clear()
                self._life += 1
                try:
                    await self._link.hello(self._hello())
                except (Away, ServiceError) as error:
                    if not joins and isinstance(error, ServiceError):
                        raise
                    await self._wait_for_it(error)
                else:
                    self._joins, self._batch = joins + 1, 0

    def _hello(self) -> told.Hello:
        return told.Hello(*self._who, self._pool, self._specs, self._all())

    @property
    def _who(self) -> told.Who:
        return told.Who(self._name, self._life)

    def _all(self) -> list[told.Event]:
        now = time.monotonic()
        return [
            *(told.Expects(*key, count) for key, count in self._expects.items() if count),
            *(told.Follows(engine, count) for engine, count in self._follows.items() if count),
            *([told.Chooses(self._chooses)] if self._chooses else []),
            *(told.Runs(one.number, one.expert, one.slot) for one in self._running.values()),
            *(
                told.Waits(number, one.expert, now - one.since, one.max_wait_s, one.stage)
                for number, one in self._waiting.items()
            ),
        ]

    async def _wait_for_it(self, error: Exception) -> None:
        if not self._away:
            logger.warning("the pool's controller is away: loans go on, loads wait (%s)", error)
        self._away = True
        await asyncio.sleep(RETRY_S)

    # Hearing.

    async def _listen(self) -> None:
        heard, joins = 0, self._joins
        while True:
            if joins != self._joins:  # What it has heard was said by one that is no more.
                heard, joins = 0, self._joins
            try:
                news = await self._link.listen(self._who, heard)
            except told.UnknownGateway:
                await self._join(joins)
                continue
            except Away as error:
                await self._wait_for_it(error)
                continue
            if joins != self._joins:
                continue
            self._is_back()
            for number, message in news:
                heard = number
                self._hear(message)

    def _is_back(self) -> None:
        if self._away:
            logger.warning("the pool's controller answers again")
        self._away = False

    def _hear(self, message: told.Message) -> None:
        match message:
            case told.Loan():
                self._loans.add(message)
            case told.Called(loan):
                self._loans.drop(loan)
                self._note(told.Returned(loan), at_once=True)
            case told.Granted(number):
                self._turn(number, message)
            case told.Refused(number):
                if (waiting := self._waiting.pop(number, None)) and not waiting.turn.done():
                    waiting.turn.set_exception(message.error(waiting.expert))
            case told.Seen(state):
                self._see(state)
            case told.Said(words):
                self._say(words)

    def _see(self, state: Mapping[str, Any]) -> None:
        before = {slot.slot.id: slot.cuts for slot in self.view.slots()}
        self._first_come = state["first_come"]
        hear(state, self.view, time.monotonic())
        for slot in self.view.slots():
            if slot.cuts > before[slot.slot.id]:
                self._break_off(slot.url)
        self.happenings.adopt(state["moves"])
        self.happenings.changed()
        self._seen.set()

    def _turn(self, number: int, granted: told.Granted) -> None:
        """Its turn has come; who has left meanwhile has said so."""
        waiting = self._waiting.pop(number, None)
        if waiting is None or waiting.turn.done():
            return
        # From now on it runs, should a new controller ask before it knows it itself.
        self._running[number] = Running(number, waiting.expert, granted.where.slot, None)
        waiting.turn.set_result(granted)


def _far_slot(name: str, config: SlotsConfig) -> HostedSlot:
    # Nothing here tells it to do anything.
    slot = cast("Slot", FarSlot(name, load_blocks=not config.gpus))
    return HostedSlot(slot, SlotState(name, config.memory_gb, up=False))


def _stopping(expert: str) -> ExpertError:
    return ExpertUnavailable(
        f"The service stops, and expert {expert} is loaded no more.", expert=expert
    )


def _ms(*seconds: float) -> tuple[float, ...]:
    return tuple(1000 * one for one in seconds)
