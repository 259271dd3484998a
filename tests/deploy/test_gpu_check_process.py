"""Steps of the GPU check that hang, die, raise or leave processes behind."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from repository import ROOT

from deploy.gpu_check import child
from deploy.gpu_check.plan import Step
from deploy.gpu_check.processes import MARK, marked
from deploy.gpu_check.rig import Failure, Found, Rig, Skip
from deploy.gpu_check.step_process import Place, run_step
from deploy.gpu_check.verdicts import Outcome, Verdict

pytestmark = pytest.mark.slow

STEP = Step("scripted", "", "scripted", 60, argument="word")
PATIENCE_S = 60
HANG = "import signal; signal.pause()"
ORPHAN = (
    "import os, subprocess, sys; child = subprocess.Popen("
    f"[sys.executable, '-c', {HANG!r}], start_new_session=True);"
    "open(os.environ['TOLD'], 'w').write(str(child.pid));"
)
"""Starts a process that leaves the session, and tells its number."""
RESULT = '{"outcome": "OK", "why": "fine", "figures": {"n": 1}}'
WRITE = f"import sys; open(sys.argv[3], 'w').write({RESULT!r});"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    out, work = tmp_path / "out", tmp_path / "work"
    out.mkdir()
    work.mkdir()
    environment = {**os.environ, "TOLD": str(tmp_path / "told")}
    return Place(out, work, False, environment)


async def run(place: Place, program: str, limit_s: float = PATIENCE_S) -> Verdict:
    return await run_step(STEP, place, limit_s, [sys.executable, "-S", "-c", program])


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_a_step_that_ends_well_brings_its_figures(place: Place) -> None:
    program = WRITE + "print(sys.argv[1:3], sys.argv[4:])"
    verdict = await run(place, program)

    assert (verdict.outcome, verdict.why) == (Outcome.OK, "fine")
    assert verdict.figures == {"n": 1}
    assert verdict.log == "scripted.log"
    log = (place.out / "scripted.log").read_text()
    assert log.strip() == f"['scripted', 'word'] ['{place.work}', '0']"
    assert verdict.log_end == ()


async def test_a_step_that_hangs_costs_only_its_limit(place: Place) -> None:
    verdict = await run(place, f"print('so far', flush=True); {HANG}", limit_s=1)

    assert (verdict.outcome, verdict.why) == (Outcome.FAILED, "took longer than its 1 s")
    assert verdict.log_end == ("so far",)
    assert verdict.seconds < 10


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("import sys; sys.exit(3)", "its process ended with exit status 3 and no result"),
        ("import os; os.abort()", "its process was killed by SIGABRT"),
        ("raise ValueError('odd')", "its process ended with exit status 1 and no result"),
    ],
)
async def test_a_step_that_dies_fails_with_its_last_words(
    place: Place, program: str, why: str
) -> None:
    verdict = await run(place, f"print('line', flush=True); {program}")

    assert (verdict.outcome, verdict.why) == (Outcome.FAILED, why)
    assert verdict.log_end[0] == "line"


@pytest.mark.parametrize(
    ("end", "outcome"), [(WRITE, Outcome.OK), (HANG, Outcome.FAILED), ("1/0", Outcome.FAILED)]
)
async def test_what_a_step_has_started_ends_with_it(
    place: Place, end: str, outcome: Outcome
) -> None:
    verdict = await run(place, ORPHAN + end, limit_s=3 if end == HANG else PATIENCE_S)

    assert verdict.outcome is outcome
    assert not is_alive(int(Path(place.environment["TOLD"]).read_text()))


def test_only_processes_with_the_mark_are_found() -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-S", "-c", f"print(1, flush=True); {HANG}"],
            env={MARK: mark}, stdout=subprocess.PIPE,
        )
        for mark in ("one", "one more")
    ]  # fmt: skip
    try:
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()

        assert marked("one") == [processes[0].pid]
        assert marked("none") == []
    finally:
        for process in processes:
            process.kill()
            process.communicate()


class Module:
    """A module of a step."""

    def __init__(self, ending: Found | Exception) -> None:
        self._ending = ending

    def run(self, rig: Rig) -> Found:
        if isinstance(self._ending, Exception):
            raise self._ending
        return self._ending


class SlowModule(Module):
    async def run(self, rig: Rig) -> Found:  # type: ignore[override]
        return super().run(rig)


@pytest.mark.parametrize("kind", [Module, SlowModule])
@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        (Found("good", {"n": 2}), ("OK", "good", {"n": 2})),
        (Skip("no GPU"), ("SKIPPED", "no GPU", {})),
        (Failure("off by\n3", {"n": 3}), ("FAILED", "off by 3", {"n": 3})),
        (KeyError("x"), ("FAILED", "KeyError: 'x'", {})),
    ],
)
def test_the_child_says_how_its_step_ended(
    kind: type[Module], ending: Any, expected: tuple[str, str, dict[str, int]]
) -> None:
    found = child.outcome_of(kind(ending), Rig(False, Path(), ""))

    assert (found["outcome"], found["why"], found["figures"]) == expected


CHECK = f"""
import sys
from deploy.gpu_check import __main__ as check
from deploy.gpu_check.plan import Step
run_step = check.run_step
command = [sys.executable, "-S", "-c", {ORPHAN + HANG!r}]
check.choose = lambda only: (Step("hang", "", "hang", 60, needs=()),)
check.run_step = lambda step, place, limit: run_step(step, place, limit, command)
sys.exit(check.main(["--cpu", "--out", sys.argv[1], "--work", sys.argv[1]]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_check_that_is_interrupted_leaves_no_process_and_a_report(
    tmp_path: Path, number: signal.Signals
) -> None:
    told = tmp_path / "told"
    os.mkfifo(told)
    process = subprocess.Popen(
        [sys.executable, "-c", CHECK, str(tmp_path)], cwd=ROOT,
        env={**os.environ, "TOLD": str(told)}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    orphan = int(told.read_text())  # Waits until the step has started it.
    process.send_signal(number)
    _, words = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 130
    assert "interrupted" in words
    assert not is_alive(orphan)
    tree = json.loads((tmp_path / "report.json").read_text())
    assert tree["finished"] is tree["passed"] is False
    assert not list(tmp_path.glob("coterie-gpu-check-*"))


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--cpu", "--only", "speed"], "no step is called speed"), ([], "no NVIDIA GPU answers")],
)
def test_what_cannot_be_checked_is_refused(words: list[str], message: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.gpu_check", "--out", str(tmp_path / "out"), *words],
        cwd=ROOT, env={"PATH": ""}, capture_output=True, text=True, timeout=PATIENCE_S,
    )  # fmt: skip

    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "out").exists()
