"""What a command is doing, and how far it is: a bar in a terminal, else a line now and then."""

import threading
import time
from collections.abc import Callable
from itertools import count
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

from evals.client.pace import Pace

EVERY_S = 10.0
"""Where the output is not a terminal: the shortest time between a line and one about progress."""
POLL_S = 0.5


class Display(Protocol):
    """Where progress is shown."""

    def start(self) -> None: ...

    def show(self, pace: Pace, *, fresh: bool) -> None:
        """Something has been done; `fresh` where the next piece of work has begun."""

    def spoke(self) -> None:
        """A line has been printed."""

    def stop(self) -> None: ...


class Progress:
    """Lines that stay, with the time, and between them what is under way, inside the context."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = console
        self._clock = clock
        self._started = clock()
        self._pace = Pace(self._started)
        self._display: Display | None = None
        self._lock = threading.RLock()

    def __enter__(self) -> "Progress":
        terminal = self.console.is_terminal
        display: Display
        if terminal:
            display = Bar(self.console, self._clock)
        else:
            display = Lines(self._tick, self._clock, self._lock)
        with self._lock:
            self._display = display
        display.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            display, self._display = self._display, None
        if display is not None:
            display.stop()

    @property
    def seconds(self) -> float:
        """Since this object was made."""
        return self._clock() - self._started

    def say(self, text: str) -> None:
        """Print a line that stays, with the time."""
        with self._lock:
            line = f"{self.seconds:6.1f} s  {text}"
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)
            if self._display is not None:
                self._display.spoke()

    def doing(self, text: str, done: int = 0, total: int | None = None) -> None:
        """Tell what is under way and, where it is known, how much of it is done."""
        with self._lock:
            fresh = self._pace.update(" ".join(text.split()), done, total, self._clock())
            if self._display is not None:
                self._display.show(self._pace, fresh=fresh)

    def counting(self, text: str, total: int, what: str) -> Callable[[object], None]:
        """A function to call for each of `total` things that are done, `what` they are."""
        numbers = count(1)

        def done(thing: object) -> None:
            number = next(numbers)
            self.doing(f"{text}: {number} of {total} {what}", number, total)

        self.doing(f"{text}: 0 of {total} {what}", 0, total)
        return done

    def _tick(self) -> None:
        """Say how far the work is."""
        with self._lock:
            if self._display is not None:
                self.say(f"... {self._pace.text}, {self._pace.told(self._clock())}")


class Lines:
    """A line whenever nothing has been printed for `EVERY_S` seconds."""

    def __init__(
        self, tick: Callable[[], None], clock: Callable[[], float], lock: threading.RLock
    ) -> None:
        self._tick = tick
        self._clock = clock
        self._lock = lock
        self._spoke = clock()
        self._over = threading.Event()
        # By itself: a silent minute is told of as well.
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def show(self, pace: Pace, *, fresh: bool) -> None:
        self.look()

    def spoke(self) -> None:
        self._spoke = self._clock()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def look(self) -> None:
        """Print a line if it is time for one."""
        with self._lock:
            if self._clock() - self._spoke >= EVERY_S:
                self._tick()

    def _run(self) -> None:
        while not self._over.wait(POLL_S):
            self.look()


class Told(ProgressColumn):
    """How far the work is, as true when it is drawn."""

    max_refresh = 0.5

    def __init__(self, told: Callable[[], str]) -> None:
        super().__init__()
        self._told = told

    def render(self, task: Task) -> Text:
        return Text(self._told())


class Bar:
    """One bar below the lines, which disappears at the end."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._pace: Pace | None = None
        self._bar = RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            Told(self._told),
            console=console,
            transient=True,
            get_time=clock,
        )
        self._task: TaskID = self._bar.add_task("starting", total=None)

    def start(self) -> None:
        self._bar.start()

    def show(self, pace: Pace, *, fresh: bool) -> None:
        self._pace = pace
        if fresh:
            self._bar.reset(self._task, total=pace.total)
        self._bar.update(self._task, description=pace.text, completed=pace.done)

    def spoke(self) -> None:
        """The bar moves below by itself."""

    def stop(self) -> None:
        self._bar.stop()

    def _told(self) -> str:
        return "" if self._pace is None else self._pace.told(self._clock())
