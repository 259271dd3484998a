"""From one set of hosted experts to another, while requests run; back again where it fails."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from experts.errors import ReloadRefused
from experts.footprint.device import Device
from experts.mistakes import ended
from experts.spec import HostedSpec
from orchestrator.config.model import SlotsConfig
from orchestrator.residency.changing.roster import Roster
from orchestrator.residency.cost_store import CostStore
from orchestrator.residency.engines import HostedEngine, HostedSlot, hosted_engines
from orchestrator.residency.machine.effects import Effect
from orchestrator.residency.machine.machine import Machine
from orchestrator.residency.machine.state import Phase, SlotState


@dataclass(frozen=True, slots=True)
class Step:
    """What has to happen to the engines."""

    come: Sequence[HostedEngine]
    go: Sequence[HostedEngine]
    back: Sequence[HostedEngine]
    """Those that were leaving, and stay."""
    kept: Sequence[tuple[HostedEngine, HostedEngine]]
    """Those that stay, each with its new description."""


def step_to(
    roster: Roster, wanted: Mapping[str, HostedEngine], renewed: Collection[str] = ()
) -> Step:
    """An engine that would be loaded with other files or arguments is another one.

    Of the experts `renewed`, a file has another content.
    """
    come, back, kept = [], [], []
    for name, new in wanted.items():
        same = frozenset(new.load.experts).isdisjoint(renewed)
        now = roster.get(name)
        if now is not None and now.load == new.load and same:
            kept.append((now, new))
            continue
        ghost = roster.leaving(name) if now is None and same else None
        if ghost is not None and ghost.load == new.load and ghost.state.serves:
            back.append(ghost)
            kept.append((ghost, new))
        else:
            come.append(new)
    staying = {now.name for now, _ in kept}
    go = [engine for engine in roster.values() if engine.name not in staying]
    return Step(come, go, back, kept)


class Changes:
    """Changes the engines of a machine that runs."""

    def __init__(
        self,
        machine: Machine,
        roster: Roster,
        slots: Mapping[str, HostedSlot],
        specs: dict[str, HostedSpec],
        config: SlotsConfig,
        device: Device,
        costs: CostStore,
        apply: Callable[[list[Effect]], None],
    ) -> None:
        """`specs` are those of now, and are kept up to date; `apply` does what the machine says."""
        self._machine = machine
        self._roster = roster
        self._slots = slots
        self._specs = specs
        self._config = config
        self._device = device
        self._costs = costs
        self._apply = apply
        self._one_at_a_time = asyncio.Lock()
        self._news = asyncio.Event()
        self.waits = False
        """Whether `look` is to be called after every event."""

    def look(self) -> None:
        """Something has happened to some engine."""
        self._news.set()

    async def adopt(self, specs: Mapping[str, HostedSpec], renewed: Collection[str] = ()) -> None:
        """Host these experts from now on; those `renewed` are loaded anew in any case.

        Returns when everything that is to be loaded at once has been: what was there before under
        its name, what is pinned or preloaded, and what fits beside the others. Raises
        ReloadRefused where one of them cannot be loaded; the experts from before are hosted again.
        """
        async with self._one_at_a_time:
            before = dict(self._specs)
            step = await self._step_to(specs, renewed)
            for engine in step.come:
                if self._is_too_large(engine):
                    raise ReloadRefused(engine.too_large().message, hint="Raise slots.memory_gb.")
                engine.state.on_trial = True
            self._take(step, specs)
            failed = await self._failures(step.come)
            if failed:
                self._take(await self._step_to(before), before)
            for engine in step.come:
                self._apply(self._machine.judged(engine.state, time.monotonic()))
            if failed:
                reasons = (f"{name} could not be loaded: {why}" for name, why in failed.items())
                raise ReloadRefused(" ".join(map(ended, reasons)))

    async def _step_to(
        self, specs: Mapping[str, HostedSpec], renewed: Collection[str] = ()
    ) -> Step:
        # In a thread: it reads the files of every model.
        wanted = await asyncio.to_thread(hosted_engines, specs, self._config, self._device)
        step = step_to(self._roster, wanted, renewed)
        await asyncio.gather(*(self._costs.recall(e.name, e.state.costs) for e in step.come))
        return step

    def _is_too_large(self, engine: HostedEngine) -> bool:
        return not any(slot.state.could_hold(engine.state) for slot in self._slots.values())

    def _take(self, step: Step, specs: Mapping[str, HostedSpec]) -> None:
        now = time.monotonic()
        were = {engine.name: slot for engine in step.go if (slot := _whereabouts(engine))}
        come, go = [e.queue for e in step.come], [e.state for e in step.go]
        effects = self._machine.reform(come, go, [e.state for e in step.back], now)
        self._roster.change((*step.back, *step.come), step.go)
        for engine, told in step.kept:
            effects += self._machine.rebound(engine.queue, told.queue, now)
        wished = {n: s.preload or s.pin for n, s in specs.items()}
        self._specs.clear()
        self._specs.update(specs)
        self._plan(step.come, were, wished)
        self._apply(effects)

    def _plan(
        self,
        come: Sequence[HostedEngine],
        were: Mapping[str, SlotState],
        wished: Mapping[str, bool],
    ) -> None:
        """What to load where: in place of its predecessor, else where there is most room.

        Those for which there was no room yet may have it now.
        """
        slots = [slot.state for slot in self._slots.values()]
        room = {slot.id: slot.free_gb + slot.asleep_gb for slot in slots}
        for slot in slots:
            room[slot.id] -= sum(engine.memory_gb for engine, _ in slot.planned)
            leaving = (r.engine for r in slot.replicas if r.engine.retired)
            room[slot.id] += sum(engine.memory_gb for engine in leaving)
        never = (e for e in self._roster.values() if e not in come and _was_never_there(e))
        for engine in (*come, *never):
            state, wanted = engine.state, wished[engine.name]
            found = were.get(engine.name) or max(slots, key=lambda slot: room[slot.id])
            fits = room[found.id] >= state.memory_gb
            if engine.name in were or wanted or (fits and self._config.preload):
                room[found.id] -= state.memory_gb
                self._machine.plan(found, state, required=wanted or engine.name in were)

    async def _failures(self, engines: Sequence[HostedEngine]) -> dict[str, str]:
        """Expert -> why it could not be loaded, once nothing of all this is under way."""
        self.waits = True
        try:
            while any(map(self._is_awaited, engines)):
                self._news.clear()
                await self._news.wait()
        finally:
            self.waits = False
        failed = {e.name: e.state.failed for e in engines if e.state.failed is not None}
        for engine in engines:
            failed |= engine.refused
        return failed

    def _is_awaited(self, engine: HostedEngine) -> bool:
        state = engine.state
        if state.failed is not None or state.serves:
            return False
        planned = (s.state for s in self._slots.values() if s.state.up)
        return state.loading or any(one is state for s in planned for one, _ in s.planned)


def _was_never_there(engine: HostedEngine) -> bool:
    state = engine.state
    return not (engine.loads or state.replicas or state.failed or state.waiting)


def _whereabouts(engine: HostedEngine) -> SlotState | None:
    """A slot in which an engine is, or will be."""
    replicas = (r.slot for r in engine.state.replicas if r.phase is not Phase.DRAINING)
    return next(replicas, None)
