"""How often a load lets the other engines of its process step. Pure."""

from dataclasses import dataclass

EVERY_S = 0.02
"""Between two turns of the others, at least: a turn costs a change of threads."""


@dataclass(slots=True)
class Pace:
    """A load has as much time as the others have, at least.

    So it takes twice as long as alone at most: who waits for it waits for all of it, they for a
    step. With a turn every `EVERY_S` it took five times as long beside three busy engines.
    """

    next_turn: float = 0.0

    def begins(self, now: float) -> None:
        """A load begins."""
        self.next_turn = now + EVERY_S

    def allows(self, now: float) -> bool:
        """Whether it is the others' turn."""
        return now >= self.next_turn

    def took(self, began: float, ended: float) -> None:
        """They have had a turn."""
        self.next_turn = ended + max(EVERY_S, ended - began)
