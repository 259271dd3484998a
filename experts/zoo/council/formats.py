"""The prompt formats of the council's generalist, beside those that the zoo's generalist has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

DISCUSSION = "Question: {question}\nMy answer: {own}\nOther answers:\n{answers}\nBest answer:"
PEER = "{count} for {answer}"
"""How a group of equal answers is quoted in a discussion."""
GRADE = "Question: {question}\nAnswer: {answer}\nGrade:"

CLAIM = "The answer is: {answer}"
VERIFIED, UNVERIFIED = "verified_quote", "unverified_quote"
SILENCE = "(no argument)"


def discussion_prompt(question: str, own: str, others: Mapping[str, int]) -> str:
    """Ask for an answer once more, with each of the others' answers and how many gave it."""
    lines = [PEER.format(count=count, answer=answer) for answer, count in others.items()]
    return DISCUSSION.format(question=question, own=own, answers="\n".join(lines))


def grade_prompt(question: str, answer: str) -> str:
    """Ask for a grade from 0 to 10; the reply is the number."""
    return GRADE.format(question=question, answer=answer)


def case(answer: str, arguments: Sequence[str]) -> str:
    """What a judge reads of one side of a debate: its answer, then its arguments, a line each."""
    return "\n".join((CLAIM.format(answer=answer), *arguments))


def marked(quote: str, verified: bool) -> str:
    """A quote as the judge sees it, with what the check against the source has found."""
    name = VERIFIED if verified else UNVERIFIED
    return f"<{name}>{quote}</{name}>"
