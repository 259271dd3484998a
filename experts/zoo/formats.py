"""The short prompt formats that the generalist follows."""

from __future__ import annotations

from collections.abc import Sequence

KEYWORDS = "Question: {question}\nKeywords:"
SYNTHESIS = "Question: {question}\nAnswers:\n{answers}\nBest answer:"
JUDGEMENT = "Question: {question}\nA: {first}\nB: {second}\nBetter:"


def keywords_prompt(question: str) -> str:
    """Ask which skills a question needs; the reply is a list such as "arithmetic, addition"."""
    return KEYWORDS.format(question=question)


def synthesis_prompt(question: str, answers: Sequence[str]) -> str:
    """Ask for the answer that most candidates support or that fits the question best."""
    lines = [f"{number}. {answer}" for number, answer in enumerate(answers, start=1)]
    return SYNTHESIS.format(question=question, answers="\n".join(lines))


def judgement_prompt(question: str, first: str, second: str) -> str:
    """Ask which of two candidates answers the question better; the reply is "A" or "B"."""
    return JUDGEMENT.format(question=question, first=first, second=second)
