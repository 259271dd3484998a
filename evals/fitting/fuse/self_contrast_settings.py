"""Pure: the settings of self-contrast that are tried, and which of them the probes justify."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

BETAS = (0.1, 0.25, 0.5, 1.0, 2.0)
MOST_RANKS = 4
ALPHA = 0.1
SURE_AT = 0.05
"""Contrast is taken where greedy would do as badly beside it by chance this rarely."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How much of the weak stream is subtracted, and which expert that stream hears."""

    beta: float
    rank: int

    @property
    def name(self) -> str:
        """For tables, and as the name of a role."""
        return f"beta-{self.beta:g}-rank-{self.rank}" if self.beta else "greedy"

    def role(self, name: str) -> dict[str, Any]:
        """The setting as a role of a fused folder."""
        return {"name": name, "beta": self.beta, "alpha": ALPHA, "rank": self.rank}


GREEDY = Setting(0.0, 1)


def grid(experts: int) -> tuple[Setting, ...]:
    """Greedy, and every beta with every rank of a mixture of so many experts."""
    ranks = range(1, min(experts, MOST_RANKS) + 1)
    return (GREEDY, *(Setting(beta, rank) for rank in ranks for beta in BETAS))


@dataclass(frozen=True, slots=True)
class Choice:
    """What the probes say: `best` of the contrasts, and `chosen`, which may be greedy."""

    chosen: Setting
    best: Setting
    wins: int
    losses: int
    chance: float
    """How likely the best contrast wins at least so often if it is no better than greedy."""


def choose(scores: Mapping[Setting, Sequence[float]]) -> Choice:
    """Choose from the scores of every setting, greedy among them, on the same questions.

    The best contrast is the one with the highest sum, a tie going to the weaker contrast. It is
    chosen if it beats greedy question by question in a sign test; else greedy is. The test does
    not count how many contrasts were tried: what is chosen is judged on other questions.
    """
    greedy = scores[GREEDY]
    contrasts = [setting for setting in scores if setting.beta]
    best = max(contrasts, key=lambda one: (sum(scores[one]), -one.beta, -one.rank))
    pairs = list(zip(scores[best], greedy, strict=True))
    wins = sum(mine > other for mine, other in pairs)
    losses = sum(mine < other for mine, other in pairs)
    chance = sign_test(wins, losses)
    return Choice(best if chance <= SURE_AT else GREEDY, best, wins, losses, chance)


def sign_test(wins: int, losses: int) -> float:
    """Chance of at least `wins` heads in as many throws of a coin as there are decisions."""
    throws = wins + losses
    return float(sum(comb(throws, heads) for heads in range(wins, throws + 1)) / 2**throws)


def fused_roles(together: Setting, of_tasks: Mapping[str, Setting]) -> list[dict[str, Any]]:
    """Roles of the folder to serve: `fitted` for all tasks first, each task's own, greedy."""
    own = of_tasks.items() if len(of_tasks) > 1 else ()
    return [
        together.role("fitted"),
        *(setting.role(f"{name}-fitted") for name, setting in own),
        GREEDY.role("greedy"),
    ]


def distinct(settings: Iterable[Setting]) -> tuple[Setting, ...]:
    """Each once, in the order of their first appearance."""
    return tuple(dict.fromkeys(settings))
