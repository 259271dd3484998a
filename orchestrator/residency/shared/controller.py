"""Decides for several gateways what is loaded, and lends them what is there.

It drives the scheduler of a gateway that is alone with what the gateways report. A replica leaves
its slot once every gateway has returned its loan, after which nothing can begin there unnoticed.
"""

import asyncio
import itertools
import logging
import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from experts.errors import ExpertUnavailable, ReloadRefused, ServiceError
from experts.spec import HostedSpec
from orchestrator.residency.changing.together import together
from orchestrator.residency.machine.state import Phase, Replica, Ticket
from orchestrator.residency.shared import messages as told
from orchestrator.residency.shared.lender import Lender
from orchestrator.residency.shared.mirror import tell
from orchestrator.residency.shared.session import NO_LOAN, Holder, Lent, Request, Session

LISTEN_S = 1.0
"""So long a gateway waits at most before it asks again what is new."""
SILENCE_S = 5.0
"""A gateway that has not asked for so long is dead, or as good as that."""
RETURN_S = 3.0
"""After a restart, gateways have so long to say hello before anything is loaded or leaves."""
SEEN_EVERY_S = 0.25
MOVES_TOLD = 32
"""More do not end within that time."""

logger = logging.getLogger("coterie.residency")

MakeScheduler = Callable[[Callable[[str], None], Callable[[], None]], Lender]
"""(what says something, what notices changes) -> a scheduler that is not started."""


class Controller:
    """One for all gateways of a pool."""

    def __init__(
        self,
        make: MakeScheduler,
        pool: str,
        specs: Mapping[str, HostedSpec],
        linger_s: float = math.inf,
    ) -> None:
        """`pool` is the digest of what the slots were configured with, `specs` the first experts.

        `make` gives a scheduler for these.
        """
        self._specs = dict(specs)
        self._reforming = asyncio.Lock()
        self._linger_s = linger_s
        self.idle = asyncio.Event()
        """Set when it has had no gateway for `linger_s`."""
        self._scheduler = make(self._say, self._changed)
        self._pool = pool
        self._sessions: dict[str, Session] = {}
        self._numbers = itertools.count(1)
        self._reconciling = self._showing = False
        self._up = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._empty_since = time.monotonic()

    # Its own life.

    async def start(self) -> None:
        """Bring the slots up, load what should be there, and watch the gateways.

        Gateways that were there before may come back meanwhile. Raises ServiceError.
        """
        await self._scheduler.bring_up()
        if self._scheduler.has_adopted:
            self._up.set()
            await asyncio.sleep(RETURN_S)
        await self._scheduler.open()
        self._tasks.append(asyncio.create_task(self._watch()))
        self._up.set()
        self._empty_since = time.monotonic()

    async def stop(self) -> None:
        """End the slots, too."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._scheduler.stop()

    # What gateways call.

    async def hello(self, hello: told.Hello) -> None:
        """A gateway comes, or comes back. Raises ServiceError where it cannot."""
        await self._up.wait()
        if hello.pool != self._pool:
            raise ServiceError(
                "The pool runs with other slots than this gateway is configured with.",
                hint="Give all its gateways the same `slots`, or another `ray.pool`.",
            )
        self._end(hello.gateway)
        session = Session(hello.gateway, hello.life, time.monotonic(), hello.specs)
        try:
            await self._reform(together([*self._configured(), hello.specs]))
        except ReloadRefused as error:
            raise ServiceError(error.message, hint=error.hint) from error
        self._sessions[hello.gateway] = session
        for event in hello.events:
            self._handle(session, event)
        session.tell(self._seen())
        self._call_all_back()
        self._changed()

    async def reconfigure(
        self, who: told.Who, specs: Mapping[str, HostedSpec], renewed: Collection[str]
    ) -> None:
        """A gateway is configured with other experts: host those that any gateway has.

        Raises UnknownGateway, and ReloadRefused where one of them cannot be loaded.
        """
        session = self._session(who)
        others = [one.specs for one in self._sessions.values() if one is not session]
        await self._reform(together([*others, specs]), renewed)
        session.specs = specs

    def _configured(self) -> list[Mapping[str, HostedSpec]]:
        return [session.specs for session in self._sessions.values()]

    async def _reform(self, specs: Mapping[str, HostedSpec], renewed: Collection[str] = ()) -> None:
        async with self._reforming:
            if specs != self._specs or renewed:
                await self._scheduler.reconfigure(dict(specs), renewed)
                self._specs = dict(specs)

    def report(self, who: told.Who, batch: int, events: Sequence[told.Event]) -> None:
        """What has happened there. Raises UnknownGateway; a batch that is known is nothing new."""
        session = self._session(who)
        if batch <= session.batches:
            return
        session.batches = batch
        for event in events:
            self._handle(session, event)

    async def listen(self, who: told.Who, heard: int) -> Sequence[tuple[int, told.Message]]:
        """What is new since the message `heard`, within a second. Raises UnknownGateway."""
        session = self._session(who)
        session.acknowledged(heard)
        if not session.outbox:
            session.news.clear()
            try:
                async with asyncio.timeout(LISTEN_S):
                    await session.news.wait()
            except TimeoutError:
                pass
            self._session(who)
        return list(session.outbox)

    def goodbye(self, gateway: str) -> None:
        """A gateway goes; what it has under way is over."""
        self._end(gateway)
        self._changed()

    async def suspect(self, expert: str, slot: str) -> bool:
        """A request failed below HTTP there: whether the slot or the engine is gone."""
        return await self._scheduler.suspect(expert, slot)

    async def refresh(self) -> None:
        """Bring the numbers of all slots up to date, and tell them."""
        await self._scheduler.refresh()
        self._show()

    # Events.

    def _handle(self, session: Session, event: told.Event) -> None:
        match event:
            case told.Waits():
                self._waits(session, event)
            case told.Begun(number, expert, loan):
                self._begun(session, number, expert, loan)
            case told.Runs(number, expert, slot):
                self._runs(session, number, expert, slot)
            case told.Over(number, answered):
                self._over(session, number, answered=answered)
            case told.Returned(loan):
                if (lent := session.lent.pop(loan, None)) is not None:
                    self._scheduler.returned(lent.replica, loan)
            case told.Expects(expert, unhurried, change):
                session.expects[expert, unhurried] += change
                self._expect(expert, unhurried, change)
            case told.Follows(engine, change):
                session.follows[engine] += change
                self._scheduler.follow(engine, change)
            case told.Chooses(change):
                session.chooses += change
                self._scheduler.chooses(change)

    def _waits(self, session: Session, event: told.Waits) -> None:
        arrived = time.monotonic() - event.waited_s
        deadline = math.inf if event.max_wait_s is None else arrived + event.max_wait_s
        holder = Holder(session, event.number, self._grant)
        ticket = Ticket(event.expert, arrived, deadline, holder, stage=event.stage)
        session.requests[event.number] = Request(ticket)
        self._scheduler.enter(ticket)

    def _grant(self, session: Session, number: int) -> None:
        request = session.requests[number]
        try:
            place = self._scheduler.served(request.ticket)
        except ExpertUnavailable as error:  # It is over by that.
            del session.requests[number]
            session.tell(told.refused(number, error))
            return
        where = told.Where(place.slot, place.url.rpartition("/e/")[0], place.token)
        session.tell(told.Granted(number, where, place.load_ms / 1000))

    def _begun(self, session: Session, number: int, expert: str, loan: int) -> None:
        now = time.monotonic()
        ticket = Ticket(expert, now, math.inf)
        session.requests[number] = Request(ticket, loan)
        if (lent := session.lent.get(loan)) is not None:
            self._scheduler.begun(ticket, lent.replica, loan)

    def _runs(self, session: Session, number: int, expert: str, slot: str) -> None:
        ticket = Ticket(expert, time.monotonic(), math.inf)
        session.requests[number] = Request(ticket)
        engine = self._scheduler.view.serving(expert)
        replicas = engine.state.replicas if engine is not None else ()
        if replica := next((r for r in replicas if r.slot.id == slot), None):
            self._scheduler.begun(ticket, replica, NO_LOAN)

    def _over(self, session: Session, number: int, *, answered: bool) -> None:
        request = session.requests.pop(number, None)
        if request is None:
            return  # It was refused in the same moment.
        lent = session.lent.get(request.loan)
        if lent is not None:  # Though called back, it lasts until it is returned.
            self._scheduler.repaid(lent.replica, request.loan)
        self._scheduler.over(request.ticket, answered=answered)

    def _expect(self, expert: str, unhurried: bool, change: int) -> None:
        if self._scheduler.view.serving(expert) is None:
            return  # It is no expert of the pool any more.
        one = self._scheduler.expect if change > 0 else self._scheduler.expect_no_more
        for _ in range(abs(change)):
            one(expert, unhurried)

    # Loans.

    def _changed(self) -> None:
        """Look once at all that has changed in this turn of the event loop."""
        if not self._reconciling:
            self._reconciling = True
            asyncio.get_running_loop().call_soon(self._reconcile)
        if not self._showing:
            self._showing = True
            asyncio.get_running_loop().call_later(SEEN_EVERY_S, self._show)

    def _reconcile(self) -> None:
        """Lend what is there, and call back what leaves."""
        self._reconciling = False
        there = {r for slot in self._scheduler.view.slots() for r in slot.state.replicas}
        for session in self._sessions.values():
            for number, lent in tuple(session.lent.items()):
                if lent.replica not in there:
                    del session.lent[number]
                    session.tell(told.Called(number))
                elif lent.replica.phase is Phase.DRAINING:
                    self._call_back(session, number)
            for replica in there:
                if replica.phase is Phase.READY:
                    self._lend(session, replica)

    def _lend(self, session: Session, replica: Replica) -> None:
        """Half of what a replica takes is shared among the gateways; the rest is for who asks.

        As much of it as is free; more when that is. An adapter that has a limit of its own may
        exceed it by what is lent of it.
        """
        engine = self._scheduler.view.of(replica.engine)
        parts = 2 * len(self._sessions)
        held = sum(lent.at_most for lent in session.lent.values() if lent.replica is replica)
        at_most = min(replica.engine.max_in_flight // parts - held, replica.room)
        if at_most <= 0:
            return
        limits = engine.queue.limits
        of_expert = {e: 0 if e in engine.refused else limits[e] // parts for e in limits}
        number = next(self._numbers)
        session.lent[number] = Lent(replica, at_most)
        self._scheduler.lend(replica, number, at_most)
        slot = self._scheduler.view.slot(replica.slot.id)
        where = told.Where(slot.slot.id, slot.url, slot.slot.token)
        session.tell(told.Loan(number, replica.engine.name, where, at_most, of_expert))

    def _call_back(self, session: Session, number: int) -> None:
        lent = session.lent[number]
        if not lent.called:
            lent.called = True
            session.tell(told.Called(number))

    def _call_all_back(self) -> None:
        """With another number of gateways, each may have another share."""
        for session in self._sessions.values():
            for number in session.lent:
                self._call_back(session, number)

    # Gateways.

    def _session(self, who: told.Who) -> Session:
        session = self._sessions.get(who.gateway)
        if session is None or session.life != who.life:
            raise told.UnknownGateway(who.gateway)
        session.heard_at = time.monotonic()
        return session

    def _end(self, gateway: str) -> None:
        """All that a gateway had under way is over."""
        session = self._sessions.pop(gateway, None)
        if session is None:
            return
        self._empty_since = time.monotonic()
        session.news.set()
        for number in tuple(session.requests):
            self._over(session, number, answered=False)
        for number, lent in session.lent.items():
            self._scheduler.returned(lent.replica, number)
        for (expert, unhurried), count in session.expects.items():
            self._expect(expert, unhurried, -count)
        for engine, count in session.follows.items():
            self._scheduler.follow(engine, -count)
        self._scheduler.chooses(-session.chooses)
        self._call_all_back()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LISTEN_S)
            now = time.monotonic()
            self._end_silent(now)
            silent = self._up.is_set() and not self._sessions
            if silent and now - self._empty_since >= self._linger_s:
                self.idle.set()

    def _end_silent(self, now: float) -> None:
        for session in tuple(self._sessions.values()):
            if now - session.heard_at > SILENCE_S or session.deaf:
                logger.warning("gateway %s is gone: what it had under way is over", session.gateway)
                self.goodbye(session.gateway)

    def _say(self, words: str) -> None:
        self._tell_all([told.Said(words)])

    def _show(self) -> None:
        self._showing = False
        self._tell_all([self._seen()])

    def _seen(self) -> told.Seen:
        state = tell(self._scheduler.view, time.monotonic())
        return told.Seen({**state, "moves": self._scheduler.happenings.after(0, MOVES_TOLD)})

    def _tell_all(self, messages: Iterable[told.Message]) -> None:
        for message in messages:
            for session in self._sessions.values():
                session.tell(message)
