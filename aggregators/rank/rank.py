"""The best of several answers, by pairwise comparison, by grades, or by likelihood.

Pairwise comparison in both orders follows PairRanker of LLM-Blender (arXiv 2306.02561).
"""

import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from aggregators.base import Ask, Panel, standalone_question, with_logprobs
from aggregators.fencing import clip, fair_shares, tokens
from aggregators.gather import Answer, Call, as_chunk, first_complete, gather
from aggregators.judging import Judge, best_of, compare
from aggregators.sampling import SamplingConfig
from aggregators.tally import mean_token_probability
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
        description="A judge compares answers in pairs or grades each one; or the answer with the"
        " most likely tokens wins.",
    )
    comparisons: Literal["all", "bubble"] = Field(
        "all", description="Compare every pair, or each answer with the best one so far."
    )
    judge: str | None = Field(
        None,
        description="The expert that judges; by default the router's lead, or the panel's first.",
    )
    prompt: Path | None = Field(
        None,
        description="The judge's prompt: a text file with {question}, {first} and {second}"
        " (pairs) or {answer} (grade), and optionally {fence}; by default a built-in prompt.",
    )
    judge_tokens: int = Field(256, ge=1, description="Most tokens of the judge's reply.")
    answer_tokens: int = Field(
        8192,
        ge=1,
        description="Most tokens of all quoted answers together; longer ones are cut fairly.",
    )

    def named(self) -> dict[str, tuple[str, ...]]:
        """The judge must be in the pool."""
        return {"judge": (self.judge,) if self.judge is not None else ()}


class Rank:
    """The whole panel answers; the best answer is given unchanged.

    Among equally good ones, and where nothing could be judged, it is the first expert's.
    """

    Config = RankConfig

    def __init__(self, config: RankConfig) -> None:
        """Raises ConfigError for a prompt that cannot be read or lacks a field."""
        self._config = config
        self._template = ""
        if config.method != "likelihood":
            path = config.prompt or PROMPTS / f"{config.method}.txt"
            self._template = read_template(path, FIELDS[config.method])

    def most_calls(self, panel: Panel) -> Counter[str]:
        """The panel, and the judge on all of their answers."""
        answers = self._config.most_calls(panel)
        count = answers.total()
        judged = {"grade": count, "likelihood": 0}.get(self._config.method)
        if judged is None:  # In pairs, each in both orders.
            bubble = self._config.comparisons == "bubble"
            judged = 2 * (count - 1) if bubble else count * (count - 1)
        return answers + Counter({self._judge(panel): judged})

    async def aggregate(self, request: Request, panel: Panel, ask: Ask) -> AsyncIterator[Chunk]:
        """The best answer."""
        by_likelihood = self._config.method == "likelihood"
        asked = with_logprobs(request) if by_likelihood else request
        answers = _distinct(await gather(self._config.calls(asked, panel), ask))
        judge = Judge(
            self._judge(panel),
            self._template,
            {"temperature": 0, "max_tokens": self._config.judge_tokens},
        )
        if len(answers) == 1:
            yield as_chunk(answers[0])
            return
        worth = await self._worth(answers, request, judge, ask)
        best = max(worth)
        won = first_complete(
            one for one, value in zip(answers, worth, strict=True) if value == best
        )
        ask.tell("ranked", ranking=_ranking(answers, worth), author=won.expert)
        yield as_chunk(won)

    def _judge(self, panel: Panel) -> str:
        return self._config.judge or panel.lead or panel.experts[0]

    async def _worth(
        self, answers: Sequence[Answer], request: Request, judge: Judge, ask: Ask
    ) -> list[float]:
        if self._config.method == "likelihood":
            return [mean_token_probability(one.completion) or 0.0 for one in answers]
        shares = fair_shares([tokens(one) for one in answers], self._config.answer_tokens)
        texts = [clip(one.text, tokens(one), s) for one, s in zip(answers, shares, strict=True)]
        if self._config.method == "grade":
            return await _graded(judge, request, texts, ask)
        if self._config.comparisons == "bubble":
            best = await best_of(judge, request, texts, ask)
            return [float(number == best) for number in range(len(texts))]
        pairs = list(combinations(range(len(texts)), 2))
        found = await compare(judge, request, [(texts[a], texts[b]) for a, b in pairs], ask)
        worth = [0.0] * len(texts)
        for (a, b), likes in zip(pairs, found, strict=True):
            worth[a] += likes
            worth[b] += 1 - likes
        return [round(value, 9) for value in worth]


async def _graded(judge: Judge, request: Request, texts: Sequence[str], ask: Ask) -> list[float]:
    """The judge's grades; an answer without a grade is worth 0."""
    calls = [
        Call(
            judge.expert,
            standalone_question(
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
        replies = await gather(calls, ask, what="grades received")
    except ExpertError as error:
        ask.tell(f"{judge.expert} failed as the judge", failed=[error.message])
        return worth
    unread = 0
    for reply in replies:
        grade = _grade(reply.text)
        if grade is None:
            unread += 1
        else:
            worth[reply.call] = grade
    if unread:
        ask.tell(f"{unread} of {len(calls)} grades could not be read", unread=unread)
    return worth


def _grade(text: str) -> float | None:
    """The grade from 0 to 10 that a reply consists of or begins with; "9/10" is one, too."""
    found = _GRADE.match(text)
    grade = float(found[1]) if found else HIGHEST_GRADE + 1
    return grade if grade <= HIGHEST_GRADE else None


def _distinct(answers: Sequence[Answer]) -> list[Answer]:
    """Each answer once, the first of equal ones."""
    found: dict[str, Answer] = {}
    for one in answers:
        found.setdefault(one.text, one)
    return list(found.values())


def _ranking(answers: Sequence[Answer], worth: Sequence[float]) -> list[dict[str, Any]]:
    found = zip(answers, worth, strict=True)
    return [
        {"expert": one.expert, "worth": round(value, 3)}
        for one, value in sorted(found, key=lambda pair: -pair[1])
    ]
