"""A slot without a process, which does what a test says."""

import asyncio
import math
from collections import defaultdict
from collections.abc import Mapping

from experts.footprint.device import Device
from experts.vllm.loads import EngineLoad, LoadReport, UnloadReport
from orchestrator.residency.slot import Held, NoPlace, SlotLost

PATIENCE_S = 5.0


class ScriptedSlot:
    """A `Slot` in memory: its loads wait where a test holds them, and `die` ends its process."""

    def __init__(self, slot_id: str, sizes: Mapping[str, float]) -> None:
        self.id = slot_id
        self.sleeps = False
        self.load_blocks = True
        self.device = Device("cpu")
        self.token: str | None = None
        self.url = f"http://{slot_id}.test"
        self.loads: list[str] = []
        self.unloads: list[str] = []
        self.hastened: list[str] = []
        self.sleeping: list[tuple[str, int]] = []
        self.woken: list[str] = []
        self.base_gb, self.budget_gb = 0.0, math.inf
        self.kept_gb = 0.0
        """What every engine that sleeps still holds."""
        self.leaks_gb = 0.0
        """What every engine leaves behind."""
        self.mistakes: list[str] = []
        """Calls that a real slot would not survive."""
        self.starts = 0
        self.has_place = True
        """Whether there is a node for it."""
        self.made = False
        self.stopped = False
        self.overruns: set[str] = set()
        """Engines whose load takes longer than anybody waits for it, and works in the end."""
        self.watch_errors: list[Exception] = []
        self.load_errors: dict[str, list[Exception]] = defaultdict(list)
        self.refuses: dict[str, str] = {}
        """Adapters that their engines leave out, with the reason."""
        self.start_errors: list[Exception] = []
        self.memory_errors: list[Exception] = []
        self.unload_errors: list[Exception] = []
        self.wake_errors: list[Exception] = []
        self.may_start = asyncio.Event()
        self.may_start.set()
        self.known: dict[str, tuple[EngineLoad, LoadReport]] = {}
        """What was asked for, and told, by engine."""
        self._sizes = sizes
        self._residents: list[str] = []
        self._asleep: list[str] = []
        self._failed: set[str] = set()
        self._lost_gb = 0.0
        self._moving: list[tuple[str, asyncio.Event]] = []
        self._dead = asyncio.Event()
        self.outlives = False
        """Whether a start finds the process that was there before, with what it holds."""
        self._holds: dict[str, asyncio.Event] = {}
        self._seen: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def start(self) -> str:
        self._see("start")
        await self.may_start.wait()
        _raise_next(self.start_errors)
        if not self.has_place:
            await asyncio.sleep(0)
            raise NoPlace(f"{self.id} waits for a node.")
        self.starts += 1
        if not self.outlives:
            self._dead = asyncio.Event()
        return self.url

    async def load(self, load: EngineLoad) -> LoadReport:
        self.loads.append(load.expert)
        await self._moves("load", load.expert, self._holds.get(load.expert))
        if self.load_errors[load.expert]:
            self._failed.add(load.expert)
        _raise_next(self.load_errors[load.expert])
        if load.expert in self._residents + self._asleep:
            self.mistakes.append(f"{load.expert} is there already")
        self._come(load.expert)
        if load.expert in self.overruns:
            raise TimeoutError
        refused = {name: self.refuses[name] for name in load.adapters if name in self.refuses}
        report = LoadReport(0.5, self._sizes[load.expert], refused=refused)
        self.known[load.expert] = load, report
        return report

    async def hasten(self, engine: str) -> None:
        self.hastened.append(engine)

    async def unload(self, engine: str) -> UnloadReport:
        await self._moves("unload", engine, self._holds.get(f"unload {engine}"))
        _raise_next(self.unload_errors)
        self.unloads.append(engine)
        before_gb = self._held_gb
        if engine in self._asleep:
            self._asleep.remove(engine)
        else:
            self._forget(engine)
        return UnloadReport(0.1, before_gb - self._held_gb, self._held_gb)

    async def sleep(self, engine: str, level: int) -> UnloadReport:
        await self._moves("sleep", engine, None)
        self.sleeping.append((engine, level))
        before_gb = self._held_gb
        self._forget(engine)
        self._asleep.append(engine)
        return UnloadReport(0.05, before_gb - self._held_gb, self._held_gb)

    async def wake(self, engine: str) -> float:
        self.woken.append(engine)
        await self._moves("wake", engine, self._holds.get(engine))
        if engine not in self._asleep:
            self.mistakes.append(f"{engine} does not sleep")
        self._asleep.remove(engine)
        _raise_next(self.wake_errors)
        self._come(engine)
        return 0.2

    async def memory_gb(self) -> float:
        await self._alive_until(None)
        _raise_next(self.memory_errors)
        return self._held_gb

    @property
    def _held_gb(self) -> float:
        held_gb = sum(self._sizes[name] for name in self._residents)
        return self.base_gb + self._lost_gb + held_gb + self.kept_gb * len(self._asleep)

    async def held(self) -> Held:
        held = {name: self.known[name] for name in self._residents if name in self.known}
        return Held(await self.memory_gb(), self.base_gb, held)

    async def running(self) -> dict[str, int]:
        await self._alive_until(None)
        return dict.fromkeys(self._residents, 0)

    async def lost(self) -> None:
        _raise_next(self.watch_errors)
        await self._dead.wait()

    async def stop(self) -> None:
        self.stopped = True
        self.die()

    def die(self) -> None:
        """End the process, with all that was resident."""
        self._residents.clear()
        self._asleep.clear()
        self._lost_gb = 0.0
        self._dead.set()

    def hold(self, engine: str) -> None:
        """Loads of this engine wait until `release`; `unload ENGINE` holds the other way."""
        self._holds[engine] = asyncio.Event()

    def release(self, engine: str) -> None:
        self._holds.pop(engine).set()

    async def saw(self, call: str) -> None:
        """Wait for the next `start`, or `load ENGINE` and so on, or take the one that was."""
        await asyncio.wait_for(self._seen[call].wait(), PATIENCE_S)
        self._seen[call].clear()

    def _come(self, engine: str) -> None:
        self._residents.append(engine)
        held_gb = sum(self._sizes[name] for name in self._residents)
        if held_gb + self.kept_gb * len(self._asleep) > self.budget_gb + 1e-6:
            self.mistakes.append(f"{self._residents} are too many")

    def _forget(self, engine: str) -> None:
        if engine in self._failed and engine not in self._residents:
            return  # What failed to load may have left something, and an unload makes sure.
        if engine not in self._residents:
            self.mistakes.append(f"{engine} is not there")
        self._residents.remove(engine)
        self._lost_gb += self.leaks_gb

    async def _moves(self, verb: str, engine: str, go_on: asyncio.Event | None) -> None:
        """One such thing at a time, says the book of a slot."""
        self._see(f"{verb} {engine}")
        this = (f"{verb} {engine}", self._dead)
        during = [call for call, process in self._moving if process is self._dead]
        self.mistakes += [f"{this[0]} during {call}" for call in during]
        self._moving.append(this)
        try:
            await self._alive_until(go_on)
        finally:
            self._moving.remove(this)

    def _see(self, call: str) -> None:
        self._seen[call].set()

    async def _alive_until(self, go_on: asyncio.Event | None) -> None:
        dead = self._dead  # A restart makes a new one, and this call dies with its process.
        if go_on is not None:
            ends = [asyncio.create_task(e.wait()) for e in (go_on, dead)]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for task in ends:
                task.cancel()
        if dead.is_set():
            raise SlotLost(f"Slot {self.id} lost its process.")


def _raise_next(errors: list[Exception]) -> None:
    if errors:
        raise errors.pop(0)
