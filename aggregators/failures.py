"""The errors of failed calls, as one error and as sentences. Pure."""

from collections.abc import Sequence
from math import inf

from experts.errors import (
    AllBusy,
    BudgetSpent,
    ExpertError,
    ExpertOverloaded,
    ExpertPaused,
    ExpertRefused,
    ExpertSilent,
    ExpertUnavailable,
    NobodyAnswered,
)

WRONG = frozenset({400, 413, 422})
"""What an expert answers to a request that would be wrong at any time."""
_TELLING = (ExpertOverloaded, ExpertPaused, ExpertRefused, ExpertUnavailable)
BUSY = 429
DOWN = 503


def all_failed_error(errors: Sequence[ExpertError]) -> ExpertError:
    """The error to raise where every call failed; each may itself stand for several calls.

    A request that all refuse as wrong is the client's mistake: one expert's reason stands for all.
    Where all have no room just now the client may try again once the first of them has.
    """
    errors = [
        one
        for error in errors
        for one in (error.errors if isinstance(error, NobodyAnswered) else (error,))
    ]
    wrong = [one for one in errors if isinstance(one, ExpertRefused) and one.status in WRONG]
    spent = [error for error in errors if isinstance(error, BudgetSpent)]
    for same in (wrong, spent):
        if len(same) == len(errors):
            return same[0]
    if all(_is_limited(error) for error in errors):
        return min(errors, key=_patience_s)
    reasons = " ".join(dict.fromkeys(failure_reason(error) for error in errors))
    words, named = f"No expert answered. {reasons}", errors[0].expert
    if all(_is_limited(error) or _is_down(error) for error in errors):
        told = [wait_s for error in errors if (wait_s := _wait_s(error)) is not None]
        after_s = min(told, default=None)
        return AllBusy(words, expert=named, errors=tuple(errors), retry_after_s=after_s)
    return NobodyAnswered(words, expert=named, errors=tuple(errors))


def _is_limited(error: ExpertError) -> bool:
    refused = isinstance(error, ExpertRefused) and error.status == BUSY
    return refused or isinstance(error, ExpertOverloaded)


def _is_down(error: ExpertError) -> bool:
    refused = isinstance(error, ExpertRefused) and error.status == DOWN
    return refused or isinstance(error, ExpertUnavailable | ExpertPaused)


def _patience_s(error: ExpertError) -> float:
    wait_s = _wait_s(error)
    return inf if wait_s is None else wait_s


def _wait_s(error: ExpertError) -> float | None:
    """When to try again, where the error says so."""
    return error.retry_after_s if isinstance(error, _TELLING) else None


def failure_reason(error: ExpertError) -> str:
    """Which expert failed, and why."""
    if isinstance(error, NobodyAnswered) and error.errors:
        return " ".join(map(failure_reason, error.errors))
    named = error.message.startswith(error.expert) or f" {error.expert} " in error.message
    return error.message if named else f"{error.expert}: {error.message}"


def no_text_error(expert: str, *, thought: bool = False, cut: bool = False) -> ExpertSilent:
    """The error for an answer without text, where text is needed.

    `thought`: it has reasoning; `cut`: it was cut off at its bound of tokens.
    """
    did = "only reasoned" if thought else "said nothing"
    why = ", and was cut off at its bound of tokens" if cut else ""
    return ExpertSilent(f"{expert} {did}{why}.", expert=expert)
