"""One run of one batch: from its file to its output, going on where an earlier run ended."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TypeVar

from experts.errors import StoreError, UnknownObject
from orchestrator.batch.batch import Batch, Status, moved
from orchestrator.batch.batches import Batches
from orchestrator.batch.checking import Checked, check, lines_log, results_log
from orchestrator.batch.counts import with_more, without_any
from orchestrator.batch.desk import Desk
from orchestrator.batch.feeding import Engines, Feeder, repeated_loads
from orchestrator.batch.files import Files, new_file_id
from orchestrator.batch.line import ANSWER, Result
from orchestrator.batch.reading import READ_AT_ONCE, LineReader
from orchestrator.config.batches_section import BatchesConfig
from orchestrator.store.base import Store

LOGGER = logging.getLogger("coterie.batch")
LINES_PER_ROUTING = 1000
FIRST_LINES = 125
"""The engines load and begin while the others are routed."""
COUNTED_EVERY_S = 1.0
GATHERED_S = 0.05
"""Results that come within it are written together; what dies meanwhile is asked again."""
STORE_RETRY_S = 1.0
LONGEST_WAIT_S = 30.0
Kept = TypeVar("Kept")


class Lost(Exception):
    """Another gateway runs the batch now, or it has ended."""


class Forgotten(Exception):
    """The store has lost what was kept last: the batch begins again from what there is."""


@dataclass(eq=False)
class Run:
    """Holds a batch, and answers its lines."""

    batch: Batch
    gateway: str
    store: Store
    files: Files
    batches: Batches
    desk: Desk
    settings: BatchesConfig
    forgotten: int
    """What the store had forgotten when the batch was read."""
    clock: Callable[[], float] = time.time
    _unkept: dict[int, bytes] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _waits: bool = False
    """Whether the store does not answer, and that was said."""
    _kept_order: list[int] = field(default_factory=list)
    """The lines with a result, in the order in which these came; those of earlier runs first."""

    async def answers(self, start: int, most: int) -> tuple[list[bytes], int]:
        """Lines of the output as they came, from the `start`th result on, and where to go on.

        Of `most` results at most, of which those without an answer are left out. Raises StoreError.
        """
        log, numbers = results_log(self.batch.id), self._kept_order[start : start + most]
        found: list[bytes] = []
        for number in numbers:
            for _, record in await self.store.read(log, number, number + 1):
                if record.startswith(ANSWER):
                    found.append(record[1:] + b"\n")
        return found, start + len(numbers)

    async def run(self) -> None:
        """To the end, or until it is cancelled or taken over. Raises Lost, and Forgotten.

        UnknownObject where the store has lost the batch itself.
        """
        if self.batch.status in ("finalizing", "cancelling"):
            await self._count_anew()  # Who ran it before may have died between two counts.
        if self.batch.status == "validating":
            await self._validate()
        if self.batch.status == "in_progress":
            await self._answer_all()
        if self.batch.status in ("finalizing", "cancelling"):
            await self._finish()

    async def _validate(self) -> None:
        """Read the file; where all of it is useless, the batch has failed."""
        try:
            found = await self._checked()
        except UnknownObject as error:  # It may be deleted while it is read.
            await self._fail([{"code": "file_not_found", "message": error.message}])
            return
        if found.errors:
            await self._fail(found.errors)
            return
        total, failed = found.total, found.mistakes
        await self._change(
            lambda one: self._moved(replace(one, total=total, failed=failed), "in_progress")
        )

    async def _checked(self) -> Checked:
        """What the file holds. Raises UnknownObject where it is not there, or not any more."""
        source = await self._kept(
            lambda: self.files.get(self.batch.owner, self.batch.input_file_id)
        )
        longest, most = int(self.settings.max_line_mb * (1 << 20)), self.settings.max_lines
        return await self._kept(
            lambda: check(
                self.batch.endpoint, self.files.content(source), longest, most, self._keep_lines
            )
        )

    async def _keep_lines(self, good: dict[int, bytes], bad: dict[int, Result]) -> None:
        identifier = self.batch.id
        records = {number: one.to_record(identifier, number) for number, one in bad.items()}
        await self.store.add(lines_log(identifier), good)
        await self.store.add(results_log(identifier), records)

    async def _fail(self, errors: list[dict[str, object]]) -> None:
        shown = tuple(errors[: self.settings.max_errors])
        await self._change(lambda one: moved(replace(one, errors=shown), "failed", self.clock()))
        await self._clean_up()

    async def _answer_all(self) -> None:
        """Ask every line that has no result yet, and keep what comes as it comes."""
        await self._count_anew()
        done = await self._kept(lambda: self.store.numbers(results_log(self.batch.id)))
        every = await self._kept(lambda: self.store.numbers(lines_log(self.batch.id)))
        self._kept_order = sorted(done)
        keeping = asyncio.create_task(self._keep_results())
        answering = asyncio.create_task(self._feed(sorted(every - done)))
        holding = asyncio.create_task(self._hold())
        try:
            await asyncio.wait((answering, holding, keeping), return_when=asyncio.FIRST_COMPLETED)
            for task in (holding, keeping, answering):
                if task.done():
                    task.result()
        finally:
            await _ended(answering, holding)
            await _ended(keeping)
            await self._flush()
        await self._change(self._after_answering)

    def _after_answering(self, one: Batch) -> Batch:
        return self._moved(self._with_counts(one), "finalizing")

    async def _feed(self, numbers: list[int]) -> None:
        """Ask lines, as soon as they are routed, in the order of the feeder until none is left."""
        settings, kept = self.settings, Engines()
        reader = LineReader(self.batch, self.desk, self._lines, self._keep)
        room = self.desk.room()
        feeder = Feeder(room, settings.in_flight, settings.panels_in_flight, self.desk.resident)
        self.batch = replace(self.batch, predicted=None, real=None)  # An earlier run's.
        started, loads = time.monotonic(), self.desk.loads()
        ended, wake = list[asyncio.Task[None]](), asyncio.Event()
        asked: dict[asyncio.Task[None], int] = {}

        def note(task: asyncio.Task[None]) -> None:
            ended.append(task)
            wake.set()

        routing = asyncio.create_task(self._route(numbers, reader, feeder, wake))
        routing.add_done_callback(lambda _: wake.set())
        try:
            while feeder.left or not routing.done():
                while (number := feeder.next()) is not None:
                    task = asyncio.create_task(self._one(number, reader))
                    asked[task] = number
                    task.add_done_callback(note)
                self.desk.follow(kept, kept := feeder.kept)
                await wake.wait()
                wake.clear()
                if routing.done():
                    routing.result()
                for task in ended:
                    task.result()
                    feeder.done(asked.pop(task))
                ended.clear()
        finally:
            self.desk.follow(kept, Engines())
            await _ended(routing, *asked)
        seconds = round(time.monotonic() - started, 3)
        real = {"loads": self.desk.loads() - loads, "seconds": seconds}
        self.batch = replace(self.batch, real=real)

    async def _route(
        self, numbers: list[int], reader: LineReader, feeder: Feeder, routed: asyncio.Event
    ) -> None:
        """Give the feeder all lines; in the end, predict what they take."""
        calls: Counter[str] = Counter()
        lines: Counter[Engines] = Counter()
        resident = self.desk.resident()
        for some in _portions(numbers):
            found = await reader.route(some, calls)
            lines.update(line.engines for line in found)
            feeder.add(found)
            routed.set()
        feeder.complete()
        again = repeated_loads(lines, self.desk.room(), self.settings.panels_in_flight)
        predicted = self.desk.predict(calls, again, resident)
        self.batch = replace(self.batch, predicted=asdict(predicted))

    async def _lines(self, first: int, stop: int) -> list[tuple[int, bytes]]:
        log = lines_log(self.batch.id)
        return await self._kept(lambda: self.store.read(log, first, stop))

    async def _one(self, number: int, reader: LineReader) -> None:
        """Ask one line, again where that may help, and keep what comes."""
        asked = await reader.take(number)
        if asked is None:
            return
        context = asked.context
        answered = await self.desk.answer(context)
        for attempt in range(self.settings.retries):
            if answered.retry_after_s is None:
                break
            await asyncio.sleep(min(max(answered.retry_after_s, 2.0**attempt), LONGEST_WAIT_S))
            again = await self.desk.answer(context)
            # A panel's answer without a member is better than none.
            answered = answered if answered.status == 200 != again.status else again
        result = Result(asked.custom_id, answered.status, answered.request_id, answered.body)
        self._keep(number, result)

    def _keep(self, number: int, result: Result) -> None:
        """It is in the store soon, with others."""
        self._unkept[number] = result.to_record(self.batch.id, number)
        self._news.set()

    async def _keep_results(self) -> None:
        """Write results as they come, all that came meanwhile in one step."""
        while True:
            await self._news.wait()
            await asyncio.sleep(GATHERED_S)
            await self._flush()

    async def _flush(self) -> None:
        self._news.clear()
        records, self._unkept = self._unkept, {}
        if not records:
            return
        try:
            await self._kept(lambda: self.store.add(results_log(self.batch.id), records))
        except asyncio.CancelledError:
            self._unkept = records | self._unkept
            raise
        self._kept_order += records
        self.batch = with_more(self.batch, records.values())

    async def _count_anew(self) -> None:
        """What an earlier run has counted last may be older than its results."""
        log = results_log(self.batch.id)
        counted = without_any(self.batch)
        numbers = sorted(await self._kept(lambda: self.store.numbers(log)))
        for start in range(0, len(numbers), READ_AT_ONCE):
            first, stop = numbers[start], numbers[min(start + READ_AT_ONCE, len(numbers)) - 1] + 1
            some = await self._kept(partial(self.store.read, log, first, stop))
            counted = with_more(counted, (record for _, record in some))
        self.batch = counted

    async def _hold(self) -> None:
        """Say that it is run here, and how far it is; ends when somebody wants its end."""
        while True:
            await asyncio.sleep(COUNTED_EVERY_S)
            held = await self._kept(lambda: self.batches.hold(self.batch, self.gateway))
            if held is None:
                raise Lost
            changed = await self._kept(lambda: self.batches.update(self.batch, self._with_counts))
            if changed.status != "in_progress" or self.clock() >= changed.expires_at:
                return

    def _with_counts(self, one: Batch) -> Batch:
        own = self.batch
        return replace(
            one,
            completed=own.completed,
            failed=own.failed,
            tokens=own.tokens,
            predicted=own.predicted,
            real=own.real,
        )

    async def _finish(self) -> None:
        """Write the files, in the order of the lines, and end."""
        cancelled = self.batch.status == "cancelling"
        await self._change(self._with_files)
        await self._write("output_file_id", "output", answers=True)
        if self.batch.failed:
            await self._write("error_file_id", "errors", answers=False)
        left = self.batch.completed + self.batch.failed < self.batch.total
        status: Status = "cancelled" if cancelled else "expired" if left else "completed"
        await self._change(lambda one: moved(self._with_counts(one), status, self.clock()))
        await self._clean_up()

    def _with_files(self, one: Batch) -> Batch:
        """It has ids for its files, and keeps those that it has."""
        own = {name: new_file_id(self.clock()) for name in ("output_file_id", "error_file_id")}
        return replace(self._with_counts(one), own_files=one.own_files or own)

    async def _write(self, which: str, what: str, *, answers: bool) -> None:
        identifier, name = self.batch.own_files[which], f"{self.batch.id}_{what}.jsonl"
        owner = self.batch.owner

        async def write() -> None:
            pieces = self._output(answers=answers)
            await self.files.write(identifier, owner, name, "batch_output", pieces)

        await self._kept(write)

    async def _output(self, *, answers: bool) -> AsyncIterator[bytes]:
        log = results_log(self.batch.id)
        numbers = sorted(await self.store.numbers(log))
        for start in range(0, len(numbers), READ_AT_ONCE):
            stop = numbers[min(start + READ_AT_ONCE, len(numbers)) - 1] + 1
            for _, record in await self.store.read(log, numbers[start], stop):
                if record.startswith(ANSWER) == answers:
                    yield record[1:] + b"\n"

    async def _clean_up(self) -> None:
        await self._kept(lambda: self.batches.clean_up(self.batch))

    def _moved(self, one: Batch, status: Status) -> Batch:
        """In its next status, unless somebody has asked for its end meanwhile."""
        return one if one.status == "cancelling" else moved(one, status, self.clock())

    async def _change(self, change: Callable[[Batch], Batch]) -> None:
        self.batch = await self._kept(lambda: self.batches.update(self.batch, change))

    async def _kept(self, work: Callable[[], Awaitable[Kept]]) -> Kept:
        """What the store gives, once it answers: until then the batch waits, and says so.

        Raises Forgotten where the store has lost something: nothing is concluded from what was.
        """
        while True:
            self._check_memory()
            try:
                found = await work()
            except StoreError as error:
                self._check_memory()
                if not self._waits:
                    LOGGER.warning("batch %s waits for the store: %s", self.batch.id, error)
                self._waits = True
                await asyncio.sleep(STORE_RETRY_S)
                continue
            self._check_memory()
            if self._waits:
                LOGGER.warning("batch %s goes on", self.batch.id)
            self._waits = False
            return found

    def _check_memory(self) -> None:
        if self.store.forgotten != self.forgotten:
            raise Forgotten


def _portions(numbers: list[int]) -> Iterator[list[int]]:
    """Those that are routed in one step each."""
    if numbers:
        yield numbers[:FIRST_LINES]
    for start in range(FIRST_LINES, len(numbers), LINES_PER_ROUTING):
        yield numbers[start : start + LINES_PER_ROUTING]


async def _ended(*tasks: "asyncio.Task[None]") -> None:
    """Cancel tasks, and wait for their end, whatever it is."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
