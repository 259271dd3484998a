"""Synthesis as in Mixture-of-Agents (arXiv 2406.04692) and Symbolic-MoE (arXiv 2503.05641).

With several samples of one expert it is Self-MoA (arXiv 2502.00674). `method` chooses between
writing a better answer, writing the one that most agree on (Self-Agreement, arXiv 2311.08154),
and picking the one that most agree with (universal self-consistency, arXiv 2311.17311).
"""

import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from random import Random
from typing import Literal

from pydantic import Field

from aggregators.answers.extraction import plain
from aggregators.base import Ask, Panel, with_prompt
from aggregators.echoes import Echoes
from aggregators.fencing import fenced_answers
from aggregators.gather import Answer, as_chunk, first_complete, gather
from aggregators.sampling import SamplingConfig
from aggregators.single_call import complete, stream_or_fallback
from experts.errors import ExpertError
from experts.prompts import fill, read_template, without_thoughts
from experts.types import Chunk, Request

PROMPTS = Path(__file__).parent
CANDIDATE = "Answer {number}:\n{fence}\n{answer}\n{fence}"
FIELDS = ("question", "answers")


class SynthesizeConfig(SamplingConfig):
    """The keys of a synthesis."""

    type: Literal["synthesize"]
    method: Literal["merge", "agree", "pick"] = Field(
        "merge",
        description="What the lead does: write a better answer, write the answer that most experts"
        " agree on, or pick the answer that most experts agree with.",
    )
    layers: int = Field(
        1,
        ge=1,
        le=8,
        description="Rounds of the panel; from the second on, each expert sees all previous"
        " answers.",
    )
    expert: str | None = Field(
        None,
        description="The lead, which writes the answer; by default the router's lead, or the"
        " panel's first.",
    )
    prompt: Path | None = Field(
        None,
        description="A text file with the fields {question} and {answers}; by default built in.",
    )
    candidate: str = Field(
        CANDIDATE,
        description="How each answer is quoted in {answers}: the fields {number}, {answer},"
        " {fence}.",
    )
    answer_tokens: int = Field(
        8192,
        ge=1,
        description="Most tokens of all quoted answers together; longer ones are cut fairly.",
    )
    shuffle_seed: int | None = Field(
        0,
        description="Seed of the order in which answers are quoted; null keeps the panel's order.",
    )

    def named(self) -> dict[str, tuple[str, ...]]:
        """The lead must be in the pool."""
        return {"expert": (self.expert,) if self.expert is not None else ()}

    def problems(self, experts: Sequence[str]) -> tuple[str, ...]:
        """`candidate` must show an answer."""
        missing = "{answer}" not in self.candidate
        found = ("candidate: the field {answer} is missing.",) if missing else ()
        return (*super().problems(experts), *found)


class Synthesize:
    """The whole panel answers; the lead makes one answer out of theirs.

    Where all give the same answer, it is given without asking the lead. An expert that fails is
    skipped; where the lead fails, or picks no answer, the first answer is given.
    """

    Config = SynthesizeConfig

    def __init__(self, config: SynthesizeConfig) -> None:
        """Raises ConfigError for a prompt that cannot be read or lacks a field."""
        self._config = config
        self._template = read_template(config.prompt or PROMPTS / f"{config.method}.txt", FIELDS)
        self._layer = read_template(PROMPTS / "merge.txt", FIELDS)
        if config.prompt is not None and config.method == "merge":
            self._layer = self._template

    def most_calls(self, panel: Panel) -> Counter[str]:
        """The panel in every layer, and the lead."""
        layer = self._config.most_calls(panel)
        layers = Counter({expert: n * self._config.layers for expert, n in layer.items()})
        return layers + Counter([self._lead(panel)])

    async def aggregate(self, request: Request, panel: Panel, ask: Ask) -> AsyncIterator[Chunk]:
        """The lead's answer, as it streams."""
        answers = await gather(self._config.calls(request, panel), ask)
        for number in range(1, self._config.layers):
            if _agree(answers):
                break
            answers = await self._again(answers, request, panel, ask, number)
        best = first_complete(answers)
        if _agree(answers):
            ask.tell("all answers are the same")
            yield as_chunk(best)
            return
        lead = self._lead(panel)
        shown = self._shuffled(answers, request)
        asked = self._asked(request, shown, self._template)
        if self._config.method == "pick":
            yield as_chunk(await _picked(lead, asked, shown, best, ask))
            return
        ask.tell(f"{lead} writes the answer", author=lead)
        echoes = Echoes([self._template], request.query)
        async for chunk in stream_or_fallback(lead, asked, ask, best, echoes=echoes):
            yield chunk

    def _lead(self, panel: Panel) -> str:
        return self._config.expert or panel.lead or panel.experts[0]

    def prompt(self, question: str, answers: Sequence[Answer | str]) -> str:
        """The lead's question as one text: the prompt with the quoted answers."""
        return fill(self._template, question=question, answers=self._quoted(answers))

    def _quoted(self, answers: Sequence[Answer | str]) -> str:
        return fenced_answers(answers, self._config.candidate, self._config.answer_tokens)

    async def _again(
        self, answers: list[Answer], request: Request, panel: Panel, ask: Ask, number: int
    ) -> list[Answer]:
        """The answers of the next layer; where all of it fails, those of the last one."""
        ask.tell(f"layer {number + 1}")
        shown = self._shuffled(answers, request)
        asked = self._asked(request, shown, self._layer)
        echoes = Echoes([self._layer], request.query)
        try:
            heard = await gather(self._config.calls(asked, panel), ask)
        except ExpertError:
            return answers
        own = [one._replace(text=echoes.without(one.text)) for one in heard]
        return [one for one in own if one.text] or answers

    def _asked(self, request: Request, answers: Sequence[Answer], template: str) -> Request:
        quoted = self._quoted(answers)
        return with_prompt(request, template, question=request.query, answers=quoted)

    def _shuffled(self, answers: Sequence[Answer], request: Request) -> list[Answer]:
        """A random order, the same for the same question: judges prefer what comes first."""
        order = list(answers)
        if self._config.shuffle_seed is not None:
            Random(f"{self._config.shuffle_seed} {request.query}").shuffle(order)
        return order


def _agree(answers: Sequence[Answer]) -> bool:
    return len({plain(one.text) for one in answers}) == 1


async def _picked(
    lead: str, asked: Request, shown: Sequence[Answer], best: Answer, ask: Ask
) -> Answer:
    """The answer whose number the lead names first; the best one where it names none."""
    ask.tell(f"{lead} picks an answer")
    try:
        reply = without_thoughts((await complete(lead, asked, ask)).text)
    except ExpertError as error:
        ask.tell(f"{lead} failed", failed=[error.message])
        return best
    numbers = [int(found) for found in re.findall(r"(?<!\d)\d{1,4}(?!\d)", reply)]
    named = next((number for number in numbers if 1 <= number <= len(shown)), None)
    if named is None:
        ask.tell(f"{lead} picked no answer: the first expert's is given")
        return best
    return shown[named - 1]
