"""Drives the machine with live requests: whoever wants an expert of ours waits here for a turn."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from experts.footprint.device import expected
from experts.openai import ExpertClient
from experts.spec import HostedSpec
from orchestrator.config.model import SlotsConfig
from orchestrator.residency.canary import Canary
from orchestrator.residency.changing.changes import Changes
from orchestrator.residency.changing.happenings import Happenings
from orchestrator.residency.changing.roster import Roster
from orchestrator.residency.cost_store import CostStore
from orchestrator.residency.engines import HostedSlot, hosted_engines
from orchestrator.residency.lru_baseline import LruBaseline
from orchestrator.residency.machine.costs import Costs
from orchestrator.residency.machine.effects import (
    Abort,
    Begin,
    Effect,
    End,
    Gone,
    Grant,
    Reject,
    Vacant,
)
from orchestrator.residency.machine.machine import Bounds, Machine
from orchestrator.residency.machine.policy import Policy, Rules, decide
from orchestrator.residency.machine.state import FIRST, SlotState, Ticket
from orchestrator.residency.pool_view import PoolView, gone
from orchestrator.residency.slot import Slot
from orchestrator.residency.transitions import Transitions
from orchestrator.residency.upkeep.upkeep import Upkeep
from orchestrator.store.base import Store

MOST_ARRIVALS = 4096
"""The baseline replays arrivals when somebody asks for it, and after as many at the latest."""

logger = logging.getLogger("coterie.residency")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request may run, and what getting there took."""

    url: str
    token: str | None
    slot: str
    ticket: object
    """What the scheduler knows the request by."""
    queue_ms: float = 0.0
    load_ms: float = 0.0


class Scheduler:
    """The experts that our slots run. `acquire` is the one way to use one."""

    _keeping: asyncio.Task[None] | None = None
    """Writes costs down while it is open."""

    def __init__(
        self,
        specs: dict[str, HostedSpec],
        config: SlotsConfig,
        slots: list[Slot],
        client: ExpertClient,
        store: Store,
        on_event: Callable[[str], None],
        policy: Policy = decide,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """`changed` is called after whatever may have changed what is resident."""
        self._changed = changed
        specs = dict(specs)  # They change with the configuration.
        self._config, self._client, self._say = config, client, on_event
        self._slots = {slot.id: HostedSlot(slot, _state_of(slot, config)) for slot in slots}
        device = slots[0].device if slots else expected(config.gpus)
        self._engines = Roster(hosted_engines(specs, config, device))
        self._costs = CostStore(store, on_event)
        self.happenings = Happenings(config.remember_moves)
        self._shadow = shadow = LruBaseline(0.0)
        self._arrivals = self._shadow.arrivals
        self.view = PoolView(specs, self._engines, self._slots, lambda: shadow.loads)
        """What can be asked of it without a request."""
        self._machine = Machine(
            [engine.queue for engine in self._engines.values()],
            [slot.state for slot in self._slots.values()],
            policy,
            Rules(config.stage_loads, config.rate_window_s, config.prefetch),
            Bounds(config.drain_timeout_s, config.retry_load_s, config.retry_load_max_s),
        )
        self._live = self._strict = False
        self._timer: asyncio.Handle | None = None
        self._timer_at = math.inf
        self._filled = asyncio.Event()
        canary = Canary(client, config.canary_tokens, config.load_timeout_s)
        self._transitions = Transitions(
            self._machine,
            self._engines,
            self._slots,
            config,
            canary,
            self._costs,
            self.happenings,
            on_event,
            self._apply,
            self._lost,
        )
        self._changes = Changes(
            self._machine,
            self._engines,
            self._slots,
            specs,
            config,
            device,
            self._costs,
            self._apply,
        )
        parts = self._slots, self._engines, self._machine, self._transitions, self.happenings
        self._upkeep = Upkeep(*parts, config, client, on_event, self._apply)

    async def start(self, strict: bool = False) -> None:
        """Bring every slot up, then load what should be resident. Raises ServiceError.

        An engine that cannot be loaded is marked as failed, and later requests try it again; if
        `strict`, it is ExpertUnavailable.
        """
        await self.bring_up()
        await self.open(strict)

    async def bring_up(self) -> None:
        """Bring every slot up. Raises ServiceError."""
        recalled = (self._costs.recall(e.name, e.state.costs) for e in self._engines.values())
        await asyncio.gather(*recalled)
        await self._upkeep.bring_up()

    async def open(self, strict: bool = False) -> None:
        """Load what should be resident, and decide from now on. Raises as `start` does."""
        states = [slot.state for slot in self._slots.values() if slot.wanted]
        self._shadow.capacity_gb = sum(state.free_gb for state in states)
        plan, too_large = self.view.plan_preload(states, self._config.preload)
        for engine in too_large:
            if strict:
                raise engine.too_large()
            engine.state.failed = engine.too_large().message
        self._machine.fill(plan)
        self._live, self._strict = True, strict
        self._arm()
        self._keeping = asyncio.create_task(self._costs.follow(self._measured))
        self._upkeep.open()
        await self._filled.wait()
        for engine in self._engines.values():
            if engine.state.failed is not None and strict:
                raise engine.unavailable(None)
            for expert in engine.refused if strict else ():
                raise engine.left_out(expert)

    async def reconfigure(
        self, specs: dict[str, HostedSpec], renewed: Collection[str] = ()
    ) -> None:
        """Host these experts from now on, in place of those of before, while requests run.

        What runs ends where it is; what waits for an engine that is described otherwise now waits
        for the new one. Those `renewed` are loaded anew though their keys are the same. Raises
        ReloadRefused where one that is to be loaded at once cannot be: then the experts from before
        are hosted again.
        """
        await self._changes.adopt(specs, renewed)

    def wind_down(self) -> None:
        """Load nothing any more; requests that wait for a load get ExpertUnavailable."""
        self._apply(self._machine.wind_down())

    async def stop(self) -> None:
        """End what is under way, and the slots' processes."""
        self._live = False
        if self._timer is not None:
            self._timer.cancel()
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait((self._keeping,))
        await self._transitions.stop()
        self._apply(self._machine.stop("the service stops"))
        kept = (self._costs.keep(e.name, e.state.costs) for e in self._engines.values())
        await asyncio.gather(*kept)
        await self._upkeep.stop()

    async def acquire(self, expert: str, max_wait_s: float | None, stage: int = FIRST) -> Place:
        """Wait for a turn in a replica of the expert; the place must be released.

        `max_wait_s` is the age bound of the request's class, `stage` that of what its client asked.
        Raises ExpertOverloaded when the
        queue is full, ExpertUnavailable when the expert cannot be loaded, or is hosted no longer.
        """
        now = time.monotonic()
        if not self._note_arrival(expert):
            raise gone(expert)
        deadline = math.inf if max_wait_s is None else now + max_wait_s
        ticket = Ticket(expert, now, deadline, stage=stage)
        for effect in self._machine.arrived(ticket, now):
            if isinstance(effect, Reject) and effect.ticket is ticket:
                raise self.view.error(effect)
            if isinstance(effect, Grant):
                return self.served(ticket)
            self._apply([effect])  # Another one gives its place to this one.
        ticket.holder = asyncio.get_running_loop().create_future()
        self._arm()
        try:
            await ticket.holder
        except asyncio.CancelledError:
            if ticket.holder.done() and not ticket.holder.cancelled():
                ticket.holder.exception()  # Else it would be reported as never seen.
            self._apply(self._machine.cancelled(ticket, time.monotonic()))
            raise
        return self.served(ticket)

    def release(self, place: Place) -> None:
        """A request is over."""
        assert isinstance(place.ticket, Ticket), "it is of this scheduler"
        self.over(place.ticket, answered=True)

    def _note_arrival(self, expert: str) -> bool:
        """Whether the expert is hosted at all, then."""
        state = self._engines.states.get(expert)
        if state is None:
            return False
        self._arrivals.append((state.name, state.memory_gb))
        if self.happenings.hearers:
            self.happenings.changed()
        if len(self._arrivals) >= MOST_ARRIVALS:
            self._shadow.replay()
        return True

    def over(self, ticket: Ticket, *, answered: bool) -> None:
        """A request has ended, or will not begin any more."""
        end = self._machine.finished if answered else self._machine.cancelled
        self._apply(end(ticket, time.monotonic()))

    def expect(self, expert: str, unhurried: bool) -> None:
        """A running request, with an age bound unless `unhurried`, will ask the expert later."""
        self._machine.expects(expert, unhurried)
        self._arm()

    def expect_no_more(self, expert: str, unhurried: bool) -> None:
        """One such request asks now, or never will."""
        self._machine.expects_no_more(expert, unhurried)
        self._arm()

    def follow(self, expert: str, batches: int) -> None:
        """One batch more, or one less (-1), asks the expert as soon as it has answered."""
        self._machine.follows(expert, batches)
        self._arm()

    @contextmanager
    def choosing(self) -> Iterator[None]:
        """While it is found out whom to ask for a request without an age bound."""
        self.chooses(1)
        try:
            yield
        finally:
            self.chooses(-1)

    def chooses(self, change: int) -> None:
        """So many more (or, negative, fewer) requests are at that."""
        one = self._machine.begins_choosing if change > 0 else self._machine.has_chosen
        for _ in range(abs(change)):
            one()
        self._arm()

    async def suspect(self, expert: str, slot_id: str) -> bool:
        """A request failed below HTTP: find out whether the slot or the engine is gone."""
        engine = self._engines.serving(expert)
        name = engine.name if engine is not None else expert
        return await self._upkeep.suspect(self._slots[slot_id], name)

    def _measured(self) -> Iterator[tuple[str, Costs]]:
        return ((engine.name, engine.state.costs) for engine in self._engines.values())

    async def refresh(self) -> None:
        """Ask every slot that is up how much memory it holds and what runs in it."""
        await self._upkeep.refresh()

    # Events and effects.

    def _apply(self, effects: list[Effect]) -> None:
        """Do what the machine says, and look when it wants to be asked again."""
        for effect in effects:
            match effect:
                case Grant(ticket):
                    if not ticket.holder.done():  # Else its client leaves in this very moment.
                        ticket.holder.set_result(None)
                case Reject(ticket):
                    if not ticket.holder.done():
                        ticket.holder.set_exception(self.view.error(effect))
                case Begin() | Abort() | End() | Gone():
                    self._tell(effect)
                case Vacant(state):
                    self._upkeep.vacant(state)
                case _:
                    self._transitions.run(effect)
        self._changed()
        if self.happenings.hearers:
            self.happenings.changed()
        if self._changes.waits:
            self._changes.look()
        self._arm()

    def _arm(self) -> None:
        """Tick once for all that changes in this turn of the event loop, or when it is time."""
        at = self._machine.tick_at
        if at == self._timer_at or not self._live:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = None, at
        loop = asyncio.get_running_loop()
        if at == -math.inf:
            self._timer = loop.call_soon(self._tick)
        elif at < math.inf:
            self._timer = loop.call_later(max(0.0, at - time.monotonic()), self._tick)

    def _tick(self) -> None:
        self._timer, self._timer_at = None, math.inf
        self._apply(self._machine.tick(time.monotonic()))
        some_failed = self._strict and any(e.state.failed for e in self._engines.values())
        if some_failed or not self._machine.filling:
            self._filled.set()

    def _tell(self, effect: Begin | Abort | End | Gone) -> None:
        now = time.monotonic()
        match effect:
            case Begin(transition):
                names = ", ".join(replica.engine.name for replica in transition.leaving)
                self._slots[transition.slot.id].begins(names, transition.reason, now)
                self._transitions.hasten(transition)
                logger.info("%s: %s", transition.slot.id, transition.words)
            case End(slot):
                self._slots[slot.id].does(None, now)
            case Gone(state):
                experts = ", ".join(self._engines.of(state).load.experts)
                self._engines.forget(state)
                if not state.succeeded:
                    self._say(f"{experts} left the pool, as the configuration says")
            case Abort(replica, tickets) if tickets:
                words = (
                    f"{replica.slot.id}: {len(tickets)} requests of {replica.engine.name} did not"
                    f" end within {self._config.drain_timeout_s:g} s (slots.drain_timeout_s) and"
                    " are aborted"
                )
                logger.warning(words)
                self._say(words)

    def _lost(self, slot: HostedSlot, goings: int) -> None:
        self._upkeep.lost(slot, goings)

    def served(self, ticket: Ticket) -> Place:
        """Where it begins, unless the engine is there without this adapter.

        Then it is over, which is ExpertUnavailable.
        """
        place = self._place(ticket)
        assert ticket.replica is not None, "it has a place"
        engine = self._engines.known[ticket.replica.engine]
        if ticket.expert in engine.refused:
            self.release(place)
            raise engine.left_out(ticket.expert)
        return place

    def _place(self, ticket: Ticket) -> Place:
        replica = ticket.replica
        assert replica is not None, "its turn has not come"
        slot = self._slots[replica.slot.id]
        began_loading = max(ticket.arrived, replica.entered)
        waited_s = ticket.began - ticket.arrived
        load_s = min(waited_s, max(0.0, replica.since - began_loading))
        url = f"{slot.url}/e/{ticket.expert}"
        return Place(
            url, slot.slot.token, slot.slot.id, ticket, 1000 * (waited_s - load_s), 1000 * load_s
        )


def _state_of(slot: Slot, config: SlotsConfig) -> SlotState:
    return SlotState(
        slot.id, config.memory_gb, up=False, load_blocks=slot.load_blocks, sleeps=slot.sleeps
    )
