"""A wait must not be silent, whether or not anybody looks at a terminal."""

import io
import subprocess
import sys

from rich.console import Console

from evals.client import ticker
from evals.client.progress import Progress
from evals.client.ticker import QUIET_S, Ticker


def test_lines_carry_the_time() -> None:
    times = iter([100.0, 101.0])
    out = io.StringIO()
    progress = Progress(Console(file=out), lambda: next(times))

    progress.say("found [alpha]")

    assert out.getvalue() == "   1.0 s  found [alpha]\n"


def test_only_a_quiet_parent_gets_a_sign_of_life() -> None:
    quiet = Ticker(100.0, terminal=False)

    assert quiet.tick(100.5) == ""
    assert quiet.tick(100.1 + QUIET_S) == "   1.4 s  ... starting\n"
    quiet.hear("doing loading [alpha]", 101.5)
    quiet.hear("spoke", 102.0)
    assert quiet.tick(103.0) == ""
    assert quiet.tick(104.0) == "   4.0 s  ... loading [alpha]\n"
    assert quiet.tick(104.5) == ""


def test_the_process_ticks_by_itself_and_ends_with_its_stdin() -> None:
    process = subprocess.Popen(
        [sys.executable, "-S", "-E", ticker.__file__, "0", "plain"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    assert process.stdout is not None
    assert process.stdin is not None
    first = process.stdout.readline()
    process.stdin.write("doing one\ndoing two\n")
    process.stdin.flush()
    second = process.stdout.readline()
    process.communicate(timeout=10)

    assert first.endswith("... starting\n")
    assert second.endswith("... two\n")
    assert process.returncode == 0


def test_progress_survives_the_end_of_its_ticker() -> None:
    out = io.StringIO()
    with Progress(Console(file=out)) as progress:
        assert progress._ticker is not None
        progress._ticker.kill()
        progress._ticker.wait()
        progress.doing("one")
        progress.say("two")

    assert out.getvalue().endswith("s  two\n")
