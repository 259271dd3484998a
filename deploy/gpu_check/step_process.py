"""Runs one step in a process of its own, with a time limit and a log."""

import asyncio
import json
import os
import signal
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.gpu_check.plan import Step
from deploy.gpu_check.processes import MARK, kill_marked, kill_session
from deploy.gpu_check.verdicts import Outcome, Verdict

CHILD = (sys.executable, "-m", "deploy.gpu_check.child")
ROOT = Path(__file__).resolve().parents[2]
LOG_END_LINES = 25
LOG_END_BYTES = 16 << 10


@dataclass(frozen=True, slots=True)
class Place:
    """Where steps run, and with what."""

    out: Path
    """For the logs."""
    work: Path
    """For checkpoints and caches; steps share it."""
    cuda: bool
    environment: Mapping[str, str]


async def run_step(
    step: Step, place: Place, limit_s: float, command: Sequence[str] = CHILD
) -> Verdict:
    """Run it to its end or to its limit; none of its processes outlives this call."""
    log, result = place.out / f"{step.name}.log", place.work / f"{step.name}.json"
    mark = uuid.uuid4().hex
    given = [step.module, step.argument, str(result), str(place.work), str(int(place.cuda))]
    started = time.perf_counter()
    code, late = 0, False
    process: asyncio.subprocess.Process | None = None
    try:
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *command, *given,
                stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=asyncio.subprocess.STDOUT,
                env={**place.environment, MARK: mark}, cwd=ROOT,
                # The terminal's Ctrl-C is for us alone: we end the step.
                start_new_session=True,
            )  # fmt: skip
        try:
            async with asyncio.timeout(limit_s):
                code = await process.wait()
        except TimeoutError:
            late = True
    finally:
        # Not in a thread: a second Ctrl-C must not come between.
        if process is not None:
            kill_session(process.pid)
        # Those that have a session of their own, such as Ray's.
        left = kill_marked(mark)
    seconds = time.perf_counter() - started
    outcome, why, figures = _read(result, late, limit_s, code)
    if left:
        outcome, why = Outcome.FAILED, f"{why}; its processes {left} cannot be ended"
    end = _last_lines(log) if outcome is Outcome.FAILED else ()
    return Verdict(step.name, outcome, why, seconds, figures, log.name, end)


def _read(
    result: Path, late: bool, limit_s: float, code: int
) -> tuple[Outcome, str, dict[str, Any]]:
    if late:
        return Outcome.FAILED, f"took longer than its {limit_s:.0f} s", {}
    try:
        found = json.loads(result.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Outcome.FAILED, _death(code), {}
    return Outcome[found["outcome"]], found["why"], found["figures"]


def _death(code: int) -> str:
    if code < 0:
        return f"its process was killed by {signal.Signals(-code).name}"
    return f"its process ended with exit status {code} and no result"


def _last_lines(log: Path) -> tuple[str, ...]:
    with log.open("rb") as file:
        file.seek(max(0, os.path.getsize(log) - LOG_END_BYTES))
        text = file.read().decode(errors="replace")
    return tuple(text.splitlines()[-LOG_END_LINES:])
