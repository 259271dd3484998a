"""Runs the steps, several at a time, and skips what would be in vain."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from deploy.gpu_check.plan import Step, reason_to_skip
from deploy.gpu_check.verdicts import Outcome, Verdict

SHORTEST_S = 15.0
"""No step is started with less time left."""
CPU_FACTOR = 3
"""The steps' limits are for a GPU on a machine that has nothing else to do."""

Run = Callable[[Step, float], Awaitable[Verdict]]
"""Runs one step within so many seconds."""


class Schedule:
    """One run of the check. `tell` gets each verdict as it falls."""

    def __init__(
        self,
        steps: Sequence[Step],
        run: Run,
        tell: Callable[[Verdict], None],
        *,
        jobs: int,
        total_s: float,
        cpu: bool,
        present: Mapping[str, bool],
    ) -> None:
        self._waiting = list(steps)
        self._run = run
        self._tell = tell
        self._jobs = jobs
        self._deadline = time.monotonic() + total_s
        self._cpu = cpu
        self._present = present
        self._names = {step.name for step in steps}
        self._gates = {step.name for step in steps if step.gate}
        self._running: dict[asyncio.Task[Verdict], Step] = {}
        self._verdicts: dict[str, Verdict] = {}

    async def run(self) -> list[Verdict]:
        """All verdicts, in the order in which they fell."""
        try:
            while self._waiting or self._running:
                self._start_what_can()
                if self._running:
                    await self._next_verdict()
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
        return list(self._verdicts.values())

    def _start_what_can(self) -> None:
        for step in tuple(self._waiting):
            if not self._ready(step) or any(other.alone for other in self._running.values()):
                continue
            why = self._in_vain(step)
            if why is not None:
                self._waiting.remove(step)
                self._note(Verdict(step.name, Outcome.SKIPPED, why))
            elif self._may_start(step):
                self._waiting.remove(step)
                limit_s = min(step.limit_s * (CPU_FACTOR if self._cpu else 1), self._left_s)
                task = asyncio.ensure_future(self._run(step, limit_s))
                self._running[task] = step

    @property
    def _left_s(self) -> float:
        return self._deadline - time.monotonic()

    def _in_vain(self, step: Step) -> str | None:
        """Why the step need not wait any longer, if so."""
        if why := reason_to_skip(step, self._cpu, self._present):
            return why
        fallen = [v for v in self._verdicts.values() if v.outcome is not Outcome.OK]
        failed = {v.step for v in fallen if v.outcome is Outcome.FAILED}
        broken = sorted(failed & self._gates)
        if broken and not step.gate:
            return f"{broken[0]} failed"
        if lacking := [v.step for v in fallen if v.step in step.after]:
            return f"{lacking[0]} gave it nothing to work with"
        return "no time left" if self._left_s < SHORTEST_S else None

    def _may_start(self, step: Step) -> bool:
        if len(self._running) >= self._jobs or (step.alone and self._running):
            return False
        # What is asked for alone may have waited long: what comes later must not overtake it.
        ahead = self._waiting[: self._waiting.index(step)]
        return not any(other.alone and self._ready(other) for other in ahead)

    def _ready(self, step: Step) -> bool:
        """Whether everything has ended that the step waits for."""
        wanted = set(step.after) | (set() if step.gate else self._gates)
        return wanted & self._names <= set(self._verdicts)

    async def _next_verdict(self) -> None:
        done, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            del self._running[task]
            self._note(task.result())

    def _note(self, verdict: Verdict) -> None:
        self._verdicts[verdict.step] = verdict
        self._tell(verdict)
