"""The errors of failed calls, as one error and as sentences. Pure."""

from collections.abc import Sequence

from experts.errors import (
    BudgetSpent,
    ExpertError,
    ExpertRefused,
    ExpertSilent,
    NobodyAnswered,
)

WRONG = frozenset({400, 413, 422})
"""What an expert answers to a request that would be wrong at any time."""
BUSY = 429


def all_failed_error(errors: Sequence[ExpertError]) -> ExpertError:
    """The error to raise where every call failed; each may itself stand for several calls.

    A request that all refuse as wrong is the client's mistake: one expert's reason stands for all.
    """
    errors = [
        one
        for error in errors
        for one in (error.errors if isinstance(error, NobodyAnswered) else (error,))
    ]
    refused = [error for error in errors if isinstance(error, ExpertRefused)]
    wrong = [error for error in refused if error.status in WRONG]
    busy = [error for error in refused if error.status == BUSY]
    spent = [error for error in errors if isinstance(error, BudgetSpent)]
    for same in (wrong, busy, spent):
        if len(same) == len(errors):
            return same[0]
    reasons = " ".join(dict.fromkeys(failure_reason(error) for error in errors))
    return NobodyAnswered(
        f"No expert answered. {reasons}", expert=errors[0].expert, errors=tuple(errors)
    )


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
