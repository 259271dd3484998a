"""A run that is killed again and again ends with the rows of one that nobody disturbed."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from repository import ROOT
from scripted_experts import ScriptedExperts

from evals.runs.record import SAMPLES_FILE

POINTS = int(os.environ.get("KILL_POINTS", "4"))
"""Kills; KILL_POINTS=20 takes a few minutes."""
IN_FLIGHT = 4
PATIENCE_S = 120


async def start(pool: Path, tasks: tuple[str, ...], out: Path, cache: Path) -> Any:
    options = ["-c", str(pool), "-o", str(out), "--cache", str(cache)]
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from evals.cli.main import main; main()"),
        *("eval", "run", *tasks, *options, "--in-flight", str(IN_FLIGHT)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def finished(process: Any) -> None:
    printed, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode == 0, printed.decode()


def samples(out: Path) -> str:
    """The rows without the seconds, which no two runs share."""
    lines = (out / SAMPLES_FILE).read_text(encoding="utf-8").splitlines()
    return "\n".join(json.dumps({**json.loads(line), "seconds": 0}) for line in lines)


@pytest.mark.slow
@pytest.mark.timeout(60 * POINTS + 300)
async def test_killed_at_random_points(
    pool: Path, tasks: tuple[str, ...], experts: ScriptedExperts, tmp_path: Path
) -> None:
    await finished(await start(pool, tasks, tmp_path / "whole", tmp_path / "whole.sqlite"))
    distinct = len(experts.bodies)
    assert set(experts.times.values()) == {1}
    draw = random.Random(21)
    out, cache = tmp_path / "killed", tmp_path / "killed.sqlite"
    killed = 0
    for _ in range(POINTS):
        process = await start(pool, tasks, out, cache)
        # More are answered before the kill takes hold: all kills together stay within the run.
        at = len(experts.bodies) + draw.randint(1, max(1, distinct // (2 * POINTS)))
        reached = asyncio.create_task(experts.reached(at))
        ended = asyncio.create_task(process.wait())
        await asyncio.wait([reached, ended], return_when="FIRST_COMPLETED", timeout=PATIENCE_S)
        if process.returncode is None:
            process.kill()
            killed += 1
        await ended
        reached.cancel()
    assert killed == POINTS
    assert not (out / SAMPLES_FILE).exists()
    await finished(await start(pool, tasks, out, cache))
    assert samples(out) == samples(tmp_path / "whole")
    # What was under way at a kill is all that is asked again.
    assert len(experts.bodies) - distinct <= distinct + POINTS * IN_FLIGHT
    assert len(experts.times) == distinct
