"""Synthesis as in Mixture-of-Agents (arXiv 2406.04692) and Symbolic-MoE (arXiv 2503.05641).

With several samples of one expert it is Self-MoA (arXiv 2502.00674). `method` chooses between
writing a better answer, writing the one that most agree on (Self-Agreement, arXiv 2311.08154),
and picking the one that most agree with (universal self-consistency, arXiv 2311.17311).
"""

import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from random import Random
from typing import Literal

from pydantic import Field

from aggregators.answer_extraction import plain
from aggregators.base import Ask, Panel, asking
from aggregators.fencing import show
from aggregators.gather import Said, answer, fullest, gather, speak, whole
from aggregators.sampling import SamplingConfig
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
        description="What the lead does: write a better answer, write the answer that most agree"
        " on, or pick the answer that most agree with.",
    )
    layers: int = Field(
        1,
        ge=1,
        le=8,
        description="Rounds of the panel; from the second round on, each expert reads all"
        " answers of the round before.",
    )
    expert: str | None = Field(
        None,
        description="The expert that writes the answer; null: the one that the router names, or"
        " the first of the panel.",
    )
    prompt: Path | None = Field(
        None,
        description="A text file with the fields {question} and {answers}; null: the built-in"
        " prompt.",
    )
    candidate: str = Field(
        CANDIDATE,
        description="How each answer appears in {answers}: the fields {number}, {answer} and"
        " {fence}.",
    )
    answer_tokens: int = Field(
        8192,
        ge=1,
        description="Most tokens of all answers that are shown; longer ones are cut fairly.",
    )
    shuffle_seed: int | None = Field(
        0, description="Seed of the order in which answers are shown; null: the panel's order."
    )

    def named(self) -> dict[str, tuple[str, ...]]:
        """Who writes must be in the pool."""
        return {"expert": (self.expert,) if self.expert is not None else ()}

    def problems(self, experts: Sequence[str]) -> tuple[str, ...]:
        """`candidate` must show an answer."""
        missing = "{answer}" not in self.candidate
        found = ("candidate: the field {answer} is missing.",) if missing else ()
        return (*super().problems(experts), *found)


class Synthesize:
    """All of the panel answer; who leads it makes one answer out of theirs.

    Where all say the same, that is the answer, and nobody is asked again. An expert that fails is
    left out; where who leads fails, or picks nothing, the first answer stands.
    """

    Config = SynthesizeConfig

    def __init__(self, config: SynthesizeConfig) -> None:
        """Raises ConfigError for a prompt that cannot be read or lacks a field."""
        self._config = config
        self._template = read_template(config.prompt or PROMPTS / f"{config.method}.txt", FIELDS)
        self._layer = read_template(PROMPTS / "merge.txt", FIELDS)
        if config.prompt is not None and config.method == "merge":
            self._layer = self._template

    async def aggregate(self, request: Request, panel: Panel, ask: Ask) -> AsyncIterator[Chunk]:
        """The answer of who leads, as it comes."""
        said = await gather(self._config.calls(request, panel), ask)
        for number in range(1, self._config.layers):
            if _agree(said):
                break
            said = await self._again(said, request, panel, ask, number)
        best = fullest(said)
        if _agree(said):
            ask.tell("all say the same")
            yield answer(best)
            return
        lead = self._config.expert or panel.lead or panel.experts[0]
        shown = self._shuffled(said, request)
        asked = asking(request, self.prompt(request.query, shown))
        if self._config.method == "pick":
            yield answer(await _picked(lead, asked, shown, best, ask))
            return
        ask.tell(f"{lead} writes the answer")
        async for chunk in speak(lead, asked, ask, best):
            yield chunk

    def prompt(
        self,
        question: str,
        answers: Sequence[Said | str],
        template: str | None = None,
    ) -> str:
        """What the one who leads is asked."""
        shown = show(answers, self._config.candidate, self._config.answer_tokens)
        return fill(template or self._template, question=question, answers=shown)

    async def _again(
        self, said: list[Said], request: Request, panel: Panel, ask: Ask, number: int
    ) -> list[Said]:
        """The next layer; where it fails altogether, the last one stands."""
        ask.tell(f"layer {number + 1}")
        shown = self._shuffled(said, request)
        asked = asking(request, self.prompt(request.query, shown, self._layer))
        try:
            return await gather(self._config.calls(asked, panel), ask)
        except ExpertError:
            return said

    def _shuffled(self, said: Sequence[Said], request: Request) -> list[Said]:
        """An order that the same question gets again: judges prefer what stands first."""
        order = list(said)
        if self._config.shuffle_seed is not None:
            Random(f"{self._config.shuffle_seed} {request.query}").shuffle(order)
        return order


def _agree(said: Sequence[Said]) -> bool:
    return len({plain(one.text) for one in said}) == 1


async def _picked(lead: str, asked: Request, shown: Sequence[Said], best: Said, ask: Ask) -> Said:
    """The answer whose number the lead names first; the best one where it names none."""
    ask.tell(f"{lead} picks an answer")
    try:
        reply = without_thoughts((await whole(lead, asked, ask)).text)
    except ExpertError as error:
        ask.tell(f"{lead} failed", failed=[error.message])
        return best
    numbers = [int(found) for found in re.findall(r"(?<!\d)\d{1,4}(?!\d)", reply)]
    named = next((number for number in numbers if 1 <= number <= len(shown)), None)
    if named is None:
        ask.tell(f"{lead} picked none: the first expert's answer stands")
        return best
    return shown[named - 1]
