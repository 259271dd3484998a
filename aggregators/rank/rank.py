"""The best of several answers: by comparisons in pairs, by grades, or by their likelihood.

Comparisons in pairs, in both orders, as PairRanker of LLM-Blender makes them (arXiv 2306.02561).
"""

import re
from collections.abc import AsyncIterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from aggregators.base import Ask, Panel, alone, with_logprobs
from aggregators.fencing import clip, fair_shares, tokens
from aggregators.gather import Call, Said, answer, fullest, gather
from aggregators.judging import Judge, compare
from aggregators.sampling import SamplingConfig
from aggregators.tally import likelihood
from experts.errors import ExpertError
from experts.prompts import defused, fence_for, fill, read_template
from experts.types import Chunk, Request

PROMPTS = Path(__file__).parent
FIELDS = {"pairs": ("question", "first", "second"), "grade": ("question", "answer")}
HIGHEST_GRADE = 10.0
_GRADE = re.compile(
    r"""
    [^\w-]{0,6} (?:grade|score|rating)? [^\w-]{0,6}
    (\d{1,2}(?:\.\d+)?) (?![\d.]*\d)   # not the beginning of a longer number
    (?!\s*/\s*(?!10\b))                # nor of a fraction, but for "9/10"
    """,
    re.IGNORECASE | re.VERBOSE,
)


class RankConfig(SamplingConfig):
    """The keys of a ranking."""

    type: Literal["rank"]
    method: Literal["pairs", "grade", "likelihood"] = Field(
        "pairs",
        description="A judge compares answers in pairs, or grades each; or the answer whose tokens"
        " were likeliest wins.",
    )
    comparisons: Literal["all", "bubble"] = Field(
        "all",
        description="Which pairs are compared: all, or each next answer with the best one so far.",
    )
    judge: str | None = Field(
        None,
        description="The expert that judges; null: the one that the router names, or the first"
        " of the panel.",
    )
    prompt: Path | None = Field(
        None,
        description="A text file that asks the judge, with {question}, {first} and {second}"
        " (pairs) or {answer} (grade), and {fence} where wanted; null: the built-in"
        " prompt.",
    )
    judge_tokens: int = Field(256, ge=1, description="Most tokens of a judge's reply.")
    answer_tokens: int = Field(
        8192,
        ge=1,
        description="Most tokens of all answers that are shown; longer ones are cut fairly.",
    )

    def named(self) -> dict[str, tuple[str, ...]]:
        """Who judges must be in the pool."""
        return {"judge": (self.judge,) if self.judge is not None else ()}


class Rank:
    """All of the panel answer; the best answer is given as it is.

    Of equally good ones, and where nothing could be judged, the first expert's stands.
    """

    Config = RankConfig

    def __init__(self, config: RankConfig) -> None:
        """Raises ConfigError for a prompt that cannot be read or lacks a field."""
        self._config = config
        self._template = ""
        if config.method != "likelihood":
            path = config.prompt or PROMPTS / f"{config.method}.txt"
            self._template = read_template(path, FIELDS[config.method])

    async def aggregate(self, request: Request, panel: Panel, ask: Ask) -> AsyncIterator[Chunk]:
        """The best answer."""
        by_likelihood = self._config.method == "likelihood"
        asked = with_logprobs(request) if by_likelihood else request
        said = _distinct(await gather(self._config.calls(asked, panel), ask))
        judge = Judge(
            self._config.judge or panel.lead or panel.experts[0],
            self._template,
            {"temperature": 0, "max_tokens": self._config.judge_tokens},
        )
        if len(said) == 1:
            yield answer(said[0])
            return
        worth = await self._worth(said, request, judge, ask)
        ask.tell("ranked", ranking=_ranking(said, worth))
        best = max(worth)
        yield answer(fullest(one for one, value in zip(said, worth, strict=True) if value == best))

    async def _worth(
        self, said: Sequence[Said], request: Request, judge: Judge, ask: Ask
    ) -> list[float]:
        if self._config.method == "likelihood":
            return [likelihood(one.completion) or 0.0 for one in said]
        shares = fair_shares([tokens(one) for one in said], self._config.answer_tokens)
        texts = [clip(one.text, tokens(one), s) for one, s in zip(said, shares, strict=True)]
        if self._config.method == "grade":
            return await _graded(judge, request, texts, ask)
        if self._config.comparisons == "bubble":
            return await _bubbled(judge, request, texts, ask)
        pairs = list(combinations(range(len(texts)), 2))
        found = await compare(judge, request, [(texts[a], texts[b]) for a, b in pairs], ask)
        worth = [0.0] * len(texts)
        for (a, b), likes in zip(pairs, found, strict=True):
            worth[a] += likes
            worth[b] += 1 - likes
        return [round(value, 9) for value in worth]


async def _bubbled(judge: Judge, request: Request, texts: Sequence[str], ask: Ask) -> list[float]:
    """One pass: the winner meets the next one; who was better last is worth 1."""
    best = 0
    for other in range(1, len(texts)):
        (likes,) = await compare(judge, request, [(texts[best], texts[other])], ask)
        best = best if likes >= 0.5 else other
    return [float(number == best) for number in range(len(texts))]


async def _graded(judge: Judge, request: Request, texts: Sequence[str], ask: Ask) -> list[float]:
    """The judge's grades; what has none is worth nothing."""
    calls = [
        Call(
            judge.expert,
            alone(
                request,
                fill(
                    judge.template,
                    question=request.query,
                    answer=defused(text),
                    fence=fence_for([text]),
                ),
                **judge.reply,
            ),
        )
        for text in texts
    ]
    worth = [0.0] * len(texts)
    try:
        replies = await gather(calls, ask, what="grades are there")
    except ExpertError as error:
        ask.tell(f"{judge.expert} does not judge", failed=[error.message])
        return worth
    unread = 0
    for said in replies:
        grade = _grade(said.text)
        if grade is None:
            unread += 1
        else:
            worth[said.call] = grade
    if unread:
        ask.tell(f"{unread} of {len(calls)} grades could not be read", unread=unread)
    return worth


def _grade(text: str) -> float | None:
    """The number from 0 to 10 that a reply consists of or begins with, "of 10" or not."""
    found = _GRADE.match(text)
    grade = float(found[1]) if found else HIGHEST_GRADE + 1
    return grade if grade <= HIGHEST_GRADE else None


def _distinct(said: Sequence[Said]) -> list[Said]:
    """Each answer once, the first of equal ones."""
    found: dict[str, Said] = {}
    for one in said:
        found.setdefault(one.text, one)
    return list(found.values())


def _ranking(said: Sequence[Said], worth: Sequence[float]) -> list[dict[str, Any]]:
    found = zip(said, worth, strict=True)
    return [
        {"expert": one.expert, "worth": round(value, 3)}
        for one, value in sorted(found, key=lambda pair: -pair[1])
    ]
