"""Which of a decision's experts can answer now; the others are left out. Pure."""

from collections.abc import Container
from dataclasses import replace

from routers.base import Decision


def without_failed(decision: Decision, failed: Container[str]) -> tuple[Decision, tuple[str, ...]]:
    """The decision among the experts that can answer, and those of its experts that cannot.

    Where none can, it stays as it is: whoever asks is told why, or the expert loads after all.
    """
    scores = tuple(scored for scored in decision.scores if scored[0] not in failed)
    named = dict.fromkeys([*(name for name, _ in decision.scores), *decision.panel])
    lost = tuple(name for name in named if name in failed)
    if not lost or not scores:
        return decision, ()
    is_first_lost = decision.scores[0][0] in failed
    left = replace(
        decision,
        scores=scores,
        # The role is one of the expert that came first.
        role=None if is_first_lost else decision.role,
        panel=tuple(name for name in decision.panel if name not in failed),
        lead=None if decision.lead in failed else decision.lead,
        general=None if decision.general in failed else decision.general,
    )
    return left, lost


def others(named: tuple[str, ...], failed: Container[str]) -> tuple[str, ...]:
    """Those that a client names and that can answer; all of them where none can."""
    return tuple(name for name in named if name not in failed) or named
