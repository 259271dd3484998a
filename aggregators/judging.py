"""An expert as a judge: which of two answers is better, asked in both orders."""

import re
from collections.abc import Sequence
from math import exp
from typing import Any, NamedTuple

from aggregators.base import Ask, standalone_question, with_logprobs
from aggregators.gather import Answer, Call, gather
from experts.errors import ExpertError
from experts.prompts import defused, fence_for, fill
from experts.types import Request

UNDECIDED = 0.5
_LETTER = re.compile(r"(?:answer\s+|option\s+|debater\s+)?\W*([AB])(?![A-Za-z0-9'\u2019])\W*", re.I)

_WHO = r"\W{0,3}(?:(?:answer|option|debater|response)\s+)?\W{0,3}([AB])(?![A-Za-z0-9'\u2019])"
_SAID = re.compile(
    r"\b(?:verdict|winner|choice|(?:better|best|preferred|final|stronger)(?:\s+(?:answer|one|option))?"
    rf"|answer)\s*\W{{0,3}}(?:is|:|=)\s*{_WHO}"
    rf"|\bI\s+(?:choose|prefer|pick|select|go\s+with|vote\s+for)\s+{_WHO}"
    r"|\b([AB])\W{0,3}\s+(?:wins\b|is\s+(?:the\s+|clearly\s+)?(?:better|best|stronger|winner)\b)",
    re.IGNORECASE,
)
"""A sentence that says which one is better."""


class Judge(NamedTuple):
    """An expert in the role of a judge, and how it is asked."""

    expert: str
    template: str
    """With the fields {question}, {first} and {second}; {fence} may be there."""
    reply: dict[str, Any]
    """Fields for the body of the judge's requests."""


async def compare(
    judge: Judge, request: Request, pairs: Sequence[tuple[str, str]], ask: Ask
) -> list[float]:
    """For each pair, the judge's probability that the first text is the better one.

    Both orders are asked at once and averaged, so that a preference for a position cancels out. A
    reply that names neither A nor B, or that does not come, counts as undecided (0.5).
    """
    calls = []
    for first, second in pairs:
        fence = fence_for((first, second))
        texts = defused(first), defused(second)
        for one, other in (texts, texts[::-1]):
            fields = {"question": request.query, "first": one, "second": other, "fence": fence}
            asked = standalone_question(request, fill(judge.template, **fields), **judge.reply)
            calls.append(Call(judge.expert, with_logprobs(asked)))
    if not calls:
        return []
    try:
        replies = await gather(calls, ask, what="judgements received")
    except ExpertError as error:
        ask.tell(f"{judge.expert} failed as the judge", failed=[error.message])
        replies = []
    likes = [UNDECIDED] * len(calls)
    unread = len(calls)
    for reply in replies:
        if (found := preference(reply)) is not None:
            likes[reply.call] = found
            unread -= 1
    if unread:
        ask.tell(f"{unread} of {len(calls)} judgements could not be read", unread=unread)
    return [(likes[i] + 1 - likes[i + 1]) / 2 for i in range(0, len(calls), 2)]


async def best_of(judge: Judge, request: Request, texts: Sequence[str], ask: Ask) -> int:
    """The number of the best text: one pass in which the winner meets the next one."""
    best = 0
    for other in range(1, len(texts)):
        (likes,) = await compare(judge, request, [(texts[best], texts[other])], ask)
        best = best if likes >= UNDECIDED else other
    return best


def preference(reply: Answer) -> float | None:
    """The probability of "A" by the last clear verdict in a reply; None where there is none.

    It is the probability of the letter's token where the engine reports it and the reply is the
    letter, otherwise 1 or 0.
    """
    lines = [line.strip() for line in reply.text.splitlines() if line.strip()]
    for line in reversed(lines):
        if (letter := _verdict(line)) is None:
            continue
        logprobs = reply.completion.logprobs
        # The least likely token of so short a reply is the letter.
        alone = len(lines) == 1 and _LETTER.fullmatch(line) is not None
        sure = exp(min(logprobs)) if logprobs and alone else 1.0
        sure = max(sure, UNDECIDED)  # It was the likelier of two, whatever other tokens there are.
        return sure if letter == "A" else 1 - sure
    return None


def _verdict(line: str) -> str | None:
    """The letter that a line is, or that its last sentence about it names."""
    if found := _LETTER.fullmatch(line):
        return found[1].upper()
    said = [next(filter(None, found.groups())) for found in _SAID.finditer(line)]
    return said[-1].upper() if said else None
