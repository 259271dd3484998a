"""How far a piece of work is, and how long the rest of it may take. Pure."""

FEWEST_S = 1.0
"""Nothing is foretold from less."""


class Pace:
    """One piece of work after the other; times are seconds of one clock.

    The next piece begins where less is done than before, or less is to be done (more work may turn
    up on the way); without a total, where the text is another one.
    """

    def __init__(self, now: float) -> None:
        self.text = "starting"
        self.done = 0
        self.total: int | None = None
        self._began = self._at = now
        self._from = self._step = 0

    def update(self, text: str, done: int, total: int | None, now: float) -> bool:
        """Note how far the work is; True where this is the next piece."""
        if total is None:
            fresh = text != self.text or self.total is not None
        else:
            fresh = self.total is None or total < self.total or done < self.done
        if fresh:
            self._began, self._from, self._at, self._step = now, done, now, 0
        elif done > self.done:
            self._at, self._step = now, done - self.done
        self.text, self.done, self.total = text, done, total
        return fresh

    def left_s(self, now: float) -> float | None:
        """The seconds until the end, at the pace so far; None where nothing can be said.

        It runs down between two steps, but not below what is left after the next one.
        """
        passed, done = self._at - self._began, self.done - self._from
        if self.total is None or done <= 0 or passed < FEWEST_S:
            return None
        each, rest = passed / done, self.total - self.done
        return max(each * rest - (now - self._at), each * (rest - self._step), 0.0)

    def told(self, now: float) -> str:
        """The share that is done and the time left, else the time so far."""
        if self.total is None:
            return f"{span(now - self._began)} so far"
        share = f"{100 * self.done // max(self.total, 1)} %"
        left = self.left_s(now)
        return share if left is None else f"{share}, about {span(left)} left"


def span(seconds: float) -> str:
    """A time in words: `40 s`, `12 min`, `3 h 20 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
