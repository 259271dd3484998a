"""Replays many compositions on some questions, and finds those that none beats at their cost."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from evals.compose.bounds import Tried, tried
from evals.compose.candidates import everything, of_subset, singles
from evals.compose.composition import Alone, Composition, Order, Votes
from evals.compose.replay import Replay
from evals.compose.steps import Doing

GREEDY_ORDER = Order("kernel")
LEAST_STEP = 0.005
"""Accuracy that a dearer point of the frontier must add."""
Costs = Callable[[Tried], float]


@dataclass(frozen=True, eq=False)
class Found:
    """Everything that was tried on the questions of a selection."""

    tried: tuple[Tried, ...]
    alone: tuple[Tried, ...]
    """Each expert alone, in the order of the matrix."""

    @property
    def single(self) -> Tried:
        """The best expert alone."""
        return max(self.alone, key=lambda one: one.rank)


def search(replay: Replay, begin: Callable[[], Doing]) -> Found:
    """Try all experts together, and the subsets that greedy forward selection meets.

    `begin` is called for each of these: `candidates.counts` of them.
    """
    experts = replay.matrix.experts
    alone = tuple(tried(replay, one) for one in singles(experts))
    found = [*alone, *_all(replay, everything(replay), "replaying compositions", begin())]
    for subset in greedy(replay)[1:-1]:
        found += _all(replay, of_subset(subset), f"replaying {len(subset)} experts", begin())
    return Found(tuple(found), alone)


def greedy(replay: Replay) -> list[tuple[str, ...]]:
    """Subsets of growing size: each time the expert joins with which the rest is best.

    A subset is as good as its vote, or the choice of one by the kernel router, whichever is better.
    """
    left, chosen = list(replay.matrix.experts), list[str]()
    found: list[tuple[str, ...]] = []
    while left:
        best = max(left, key=lambda one: _worth(replay, [*chosen, one]))
        chosen.append(best)
        left.remove(best)
        names = replay.matrix.experts
        found.append(tuple(sorted(chosen, key=names.index)))
    return found


def without(replay: Replay, found: Found, expert: str, doing: Doing) -> list[Tried]:
    """What was tried and does not ask an expert, and the compositions of all others."""
    others = tuple(one for one in replay.matrix.experts if one != expert)
    kept = [one for one in found.tried if expert not in one.asked]
    if len(others) < 2:
        return kept
    return [*kept, *_all(replay, of_subset(others), f"replaying without {expert}", doing)]


def frontier(found: Sequence[Tried], cost: Costs) -> list[Tried]:
    """From the cheapest on, each that is clearly more accurate than all that cost less."""
    kept: list[Tried] = []
    for one in sorted(found, key=lambda one: (cost(one), *(-part for part in one.rank))):
        if not kept or one.accuracy >= kept[-1].accuracy + LEAST_STEP:
            kept.append(one)
    return kept


def _worth(replay: Replay, experts: Sequence[str]) -> float:
    own = tuple(sorted(experts, key=replay.matrix.experts.index))
    ways = (Alone(), Votes(len(own)))
    plays = [replay.play(Composition(own, GREEDY_ORDER, way)) for way in ways]
    return max(float(played.scores.mean()) for played in plays)


def _all(
    replay: Replay, compositions: Iterable[Composition], text: str, doing: Doing
) -> list[Tried]:
    listed = list(compositions)
    found = []
    for number, one in enumerate(listed):
        doing(text, number, len(listed))
        found.append(tried(replay, one))
    return found
