"""A line now and then where nobody looks at a terminal; else a bar."""

import io
import threading

from rich.console import Console

from evals.client import progress as module
from evals.client.progress import EVERY_S, Progress


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _progress(*, terminal: bool = False) -> tuple[Progress, Clock, io.StringIO]:
    out, clock = io.StringIO(), Clock()
    console = Console(file=out, force_terminal=terminal, width=100)
    return Progress(console, clock), clock, out


def test_lines_carry_the_time() -> None:
    progress, clock, out = _progress()
    clock.now = 1.0

    progress.say("found [alpha]")

    assert out.getvalue() == "   1.0 s  found [alpha]\n"


def test_a_thousand_steps_are_a_line_every_ten_seconds() -> None:
    progress, clock, out = _progress()
    with progress:
        for step in range(400):
            progress.doing("fitting knn", step, 400)
            clock.now += 0.25

    lines = out.getvalue().splitlines()
    assert 8 <= len(lines) <= 100 / EVERY_S
    assert len(set(lines)) == len(lines)
    assert lines[0].startswith("  10.0 s  ... fitting knn, ")
    assert all(" %, about " in line for line in lines)


def test_a_line_of_the_command_itself_counts() -> None:
    progress, clock, out = _progress()
    with progress:
        clock.now = EVERY_S - 1
        progress.say("alpha is loaded")
        clock.now = EVERY_S + 1
        progress.doing("loading beta")

    assert out.getvalue().splitlines() == ["   9.0 s  alpha is loaded"]


def test_a_silence_is_broken_without_a_word_of_the_command() -> None:
    progress, clock, out = _progress()
    told = threading.Event()
    print_line = progress.console.print

    def heard(*words: object, **how: object) -> None:
        print_line(*words, **how)  # type: ignore[arg-type]
        told.set()

    progress.console.print = heard  # type: ignore[method-assign, assignment]
    with progress:
        progress.doing("loading the models")
        clock.now = EVERY_S + 2
        assert told.wait(20 * module.POLL_S)

    assert out.getvalue() == "  12.0 s  ... loading the models, 12 s so far\n"


def test_nothing_is_said_after_the_end() -> None:
    progress, clock, out = _progress()
    with progress:
        progress.doing("one")
    clock.now = 10 * EVERY_S
    progress.doing("two")

    assert out.getvalue() == ""


def test_a_terminal_gets_a_bar_that_disappears() -> None:
    progress, clock, out = _progress(terminal=True)
    with progress:
        progress.doing("asking [alpha]: 2 of 8", 2, 8)
        clock.now = 20.0
        progress.doing("asking [alpha]: 4 of 8", 4, 8)
        progress.say("beta: all right")
        progress._display._bar.refresh()  # type: ignore[union-attr]
    drawn = out.getvalue()

    assert "asking [alpha]: 4 of 8" in drawn
    assert "50 %, about 40 s left" in drawn
    assert "20.0 s  beta: all right" in drawn
    assert "━" in drawn
    assert drawn.endswith("\x1b[2K")  # The line of the bar is erased.


def test_a_terminals_bar_begins_anew_with_the_next_piece_of_work() -> None:
    progress, _, _ = _progress(terminal=True)
    with progress:
        progress.doing("asking alpha", 8, 8)
        progress.doing("asking beta", 1, 8)
        bar = progress._display._bar  # type: ignore[union-attr]
        assert [(t.description, t.completed, t.total) for t in bar.tasks] == [("asking beta", 1, 8)]
