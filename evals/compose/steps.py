"""One progress over all that a command does: what each step takes is guessed beforehand."""

from collections.abc import Callable, Sequence

Doing = Callable[[str, int, int], None]
"""Told what is under way, how much of it is done, and how much there is."""
SCALE = 10_000


class Steps:
    """Steps that follow each other, each with a share of the whole that never shrinks again."""

    def __init__(self, doing: Doing, efforts: Sequence[float]) -> None:
        """`efforts` are the steps' relative times; they only have to be about right."""
        self._doing = doing
        self._efforts = efforts
        self._whole = sum(efforts) or 1.0
        self._next = 0
        self._told = 0

    def next(self, before: str = "") -> Doing:
        """The next step's way of telling how far it is; `before` stands before its words."""
        start, effort = sum(self._efforts[: self._next]), self._efforts[self._next]
        self._next += 1

        def doing(text: str, done: int, total: int) -> None:
            share = (start + effort * done / max(total, 1)) / self._whole
            self._told = max(self._told, int(SCALE * share))
            self._doing(before + text, self._told, SCALE)

        return doing
