"""Takes one configuration after the other to a running service, and remembers what became of it."""

import asyncio
import logging
from collections import Counter
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from experts.errors import ConfigError, CoterieError, ReloadRefused, RequestError
from experts.mistakes import ended
from orchestrator.config.difference.difference import Difference, difference
from orchestrator.config.difference.entries import Change
from orchestrator.config.model import Config
from orchestrator.reload.applying import Applier
from orchestrator.reload.config_file import ConfigFile, Version
from orchestrator.reload.introducing import Introduce, decide, introduced, unprobed
from orchestrator.reload.opinions import Learned, opinions
from orchestrator.reload.routers import warnings_of
from orchestrator.server.bodies.reload import ConfigStatus, LastReload, Probed
from orchestrator.server.context import Context
from orchestrator.server.reload.reloads import Added, Outcome

log = logging.getLogger("coterie.reload")
T = TypeVar("T")


class Reloader:
    """The configurations of one service, one at a time: what `Reloads` promises."""

    def __init__(
        self,
        applier: Applier,
        version: Version,
        file: ConfigFile | None,
        introduce: Introduce | None = None,
    ) -> None:
        """`applier` serves `version`, which `file` says; without a file nothing can be reloaded.

        `introduce` asks an expert that was added its probe questions; without it none is asked.
        """
        self._introduce = introduce
        self._own_stamps: dict[str, str] = {}
        """After what we have written ourselves -> what it was before: that is no change."""
        self._held_stamp: str | None = None
        self._applier = applier
        self._version = version
        self._file = file
        self._one_at_a_time = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._since = _now()
        self._added: dict[str, None] = {}
        self._undecided: dict[str, tuple[str, ...]] = {}
        """Experts that were added, and the routers that have learned of them and wait."""
        self._last: LastReload | None = None
        self.generation = 1 if file is None else file.generation
        """The number of the configuration that runs."""
        self.results: Counter[str] = Counter({"applied": 0, "unchanged": 0, "refused": 0})
        """How many reloads ended how."""

    def status(self) -> ConfigStatus:
        """Which configuration runs, and what became of the last one."""
        return {
            "generation": self.generation,
            "since": self._since,
            "file": None if self._file is None else str(self._file.path),
            "added": list(self._added),
            "last": self._last,
        }

    async def reload(self, *, dry_run: bool = False) -> Outcome:
        """Take over what the file says now; see `Reloads.reload`."""
        return await self._to_its_end(self._reload(dry_run))

    async def add_expert(
        self, name: str, keys: Mapping[str, Any], probes: int | None = None, *, hold: bool = False
    ) -> Added:
        """Take over one expert more; see `Reloads.add_expert`."""
        return await self._to_its_end(self._add(name, keys, probes, hold))

    async def route_to(self, name: str) -> list[str]:
        """Let the routers choose an expert; see `Reloads.route_to`."""
        return await self._to_its_end(self._route_to(name))

    async def check_expert(self, name: str, keys: Mapping[str, Any]) -> list[str]:
        """What one expert more would change; see `Reloads.check_expert`."""
        file = self._named_file()
        version = await asyncio.to_thread(file.with_expert, self._version, name, keys)
        return self._lines(self._takeable(version))

    async def pin(self, name: str, pinned: bool) -> Outcome:
        """Keep an expert in its slot, or no more; see `Reloads.pin`."""
        return await self._to_its_end(self._pin(name, pinned))

    async def stop(self) -> None:
        """Break off what is under way: the service stops."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def first_stamp(self) -> str:
        """That of the version which the service was started with."""
        return "" if self._file is None else self._file.first_stamp

    def stamp(self) -> str:
        """Another text whenever the file, or a file that it names, has other contents."""
        if self._held_stamp is not None:
            return self._held_stamp
        found = "" if self._file is None else self._file.stamp(self._version)
        return self._own_stamps.get(found, found)

    async def _reload(self, dry_run: bool) -> Outcome:
        file = self._named_file()
        if dry_run:
            version = await asyncio.to_thread(file.read)
            return Outcome("compared", self.generation, self._lines(self._compared(version)))
        async with self._one_at_a_time:
            with self._noted():
                version = await asyncio.to_thread(file.read)
                outcome = await self._take(version)
                self._added.clear()
                return outcome

    async def _add(
        self, name: str, keys: Mapping[str, Any], probes: int | None, hold: bool
    ) -> Added:
        file = self._named_file()
        before = self._version.config
        most = before.server.probes.at_most
        if probes is not None and probes > most:
            raise RequestError(
                f"{probes} probe questions are more than {most} (server.probes.at_most).",
                param="probes",
            )
        async with self._one_at_a_time:
            with self._noted():
                version = await asyncio.to_thread(file.with_expert, self._version, name, keys)
                outcome = await self._take(version)
                self._added[name] = None
            context = self._applier.context
            probed = await self._probed(before, context, name, probes)
            learned = [one["router"] for one in probed["shifts"]] if probed else []
            if learned and hold:
                self._undecided[name] = tuple(learned)
                outcome = replace(outcome, warnings=())  # Those that it is never chosen.
            elif learned:
                await decide(context, learned)
                outcome = replace(outcome, warnings=warnings_of(context.pipeline.routers))
        resident = context.pool.expert_url(name) is not None
        held = name in self._undecided
        asked = None if probed is None else Learned(frozenset(learned), held)
        found = await opinions(context.config, context.pipeline, name, asked)
        return Added(outcome, resident, found, probed, held)

    async def _route_to(self, name: str) -> list[str]:
        context = self._applier.context
        async with self._one_at_a_time:
            learned = self._undecided.get(name)
            if learned is None:
                raise ReloadRefused(
                    f"No router waits to choose {name}: it was not added with `hold`,"
                    " or the routers do so already."
                )
            known = set(context.config.routers)
            await decide(context, [one for one in learned if one in known])
            del self._undecided[name]
            log.info("configuration: the routers choose %s", name)
            return warnings_of(context.pipeline.routers)

    async def _probed(
        self, before: Config, context: Context, name: str, count: int | None
    ) -> Probed | None:
        """Let routers be fitted with a new expert; it stays, whatever becomes of that."""
        config = context.config
        wanted = config.server.probes.count if count is None else count
        if self._introduce is None or not wanted or config.experts[name].embeds:
            return None
        # The table that is written is a file which is watched: that must not undo the addition.
        self._held_stamp = held = await asyncio.to_thread(self.stamp)
        try:
            return await introduced(self._introduce, before, context, name, wanted)
        except CoterieError as error:
            log.warning("%s was added, and the routers know nothing of it: %s", name, error)
            return unprobed(str(error))
        finally:
            self._held_stamp = None
            self._own_stamps = {await asyncio.to_thread(self.stamp): held}

    async def _pin(self, name: str, pinned: bool) -> Outcome:
        file = self._named_file()
        async with self._one_at_a_time:
            with self._noted():
                changes = {"pin": pinned}
                version = await asyncio.to_thread(file.with_keys, self._version, name, changes)
                return await self._take(version)

    async def _take(self, version: Version) -> Outcome:
        """Serve another version. Raises ConfigError and ReloadRefused."""
        found = self._takeable(version)
        if not found.changes:
            self._version = version
            self.results["unchanged"] += 1
            return Outcome("unchanged", self.generation)
        lines = self._lines(found)
        for line in lines:
            log.info("configuration: %s", line)
        routers = await self._applier.apply(self._version, version, found)
        self._version = version
        self._undecided = {
            one: learned
            for one, learned in self._undecided.items()
            if one in version.config.experts
        }
        self.generation += 1
        self._since = _now()
        self._named_file().now_runs(version, self.generation)
        self.results["applied"] += 1
        log.info("configuration: generation %d runs", self.generation)
        return Outcome("applied", self.generation, lines, warnings_of(routers))

    def _takeable(self, version: Version) -> Difference:
        """What is otherwise in it. Raises ReloadRefused where it cannot be taken over."""
        if self._applier.context.drain.refuses:
            raise ReloadRefused("The service stops.")
        found = self._compared(version)
        if found.restart:
            words = ". ".join(map(str, found.restart))
            raise ReloadRefused(ended(words), hint="Nothing was changed.")
        return found

    def _compared(self, version: Version) -> Difference:
        now = self._version
        slots = bool(self._applier.context.pool.snapshot()["slots"])
        return difference(now.config, version.config, now.files, version.files, has_slots=slots)

    def _lines(self, found: Difference) -> list[str]:
        """The difference in words; of what was added to the running service, that it was."""
        return [f"{line}{self._origin(line, found.changes)}" for line in found.lines]

    def _origin(self, line: str, changes: tuple[Change, ...]) -> str:
        change = next(one for one in changes if str(one) == line)
        name = change.path.removeprefix("experts.")
        if name in self._added and name != change.path:
            return ": it was added to the running service, and is not in the file"
        return ""

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Remember how it ended."""
        before = self.results.copy()
        try:
            yield
        except CoterieError as error:
            self.results["refused"] += 1
            problems = error.problems if isinstance(error, ConfigError) else ()
            why = " ".join((str(error), *problems))
            self._last = {"at": _now(), "result": "refused", "why": why}
            log.warning("configuration: the one that ran before goes on: %s", why)
            raise
        (result,) = self.results - before
        self._last = {"at": _now(), "result": result, "why": ""}

    def _named_file(self) -> ConfigFile:
        if self._file is None:
            raise ReloadRefused("This service was not started from a file: none can be read again.")
        return self._file

    async def _to_its_end(self, work: Coroutine[Any, Any, T]) -> T:
        """Whoever asked for it may leave meanwhile."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
