"""Synthesis as in Mixture-of-Agents (arXiv 2406.04692) and Symbolic-MoE (arXiv 2503.05641)."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from aggregators.base import AggregatorConfig, Ask, Panel, asking, candidates, same
from experts.errors import ExpertError
from experts.prompts import fence_for, fill, read_template, without_thoughts
from experts.types import Chunk, Request

PROMPT = Path(__file__).parent / "prompt.txt"
CANDIDATE = "Answer {number}:\n{fence}\n{answer}\n{fence}"
FIELDS = ("question", "answers")


class SynthesizeConfig(AggregatorConfig):
    """The keys of a synthesis."""

    type: Literal["synthesize"]
    expert: str | None = Field(
        None,
        description="Who writes the answer; else whom the router names, or the first of the panel.",
    )
    prompt: Path | None = Field(
        None, description="A text file with the fields {question} and {answers}; else our own."
    )
    candidate: str = Field(
        CANDIDATE,
        description="How each answer stands in {answers}: the fields {number}, {answer}, {fence}.",
    )

    def problems(self, experts: Sequence[str]) -> tuple[str, ...]:
        """The expert must be in the pool, and `candidate` must show an answer."""
        found = []
        if self.expert is not None and self.expert not in experts:
            known = ", ".join(experts)
            found.append(f"expert: no expert is called `{self.expert}` (known: {known}).")
        if "{answer}" not in self.candidate:
            found.append("candidate: the field {answer} is missing.")
        return tuple(found)


class Synthesize:
    """All of the panel answer; who leads it writes one answer out of theirs.

    Where all say the same, that is the answer, and nobody is asked again. An expert that fails is
    left out; where who leads fails, the first answer stands.
    """

    Config = SynthesizeConfig

    def __init__(self, config: SynthesizeConfig) -> None:
        """Raises ConfigError for a prompt that can not be read or lacks a field."""
        self._config = config
        self._template = read_template(config.prompt or PROMPT, FIELDS)

    async def aggregate(self, request: Request, panel: Panel, ask: Ask) -> AsyncIterator[Chunk]:
        """The answer of who leads, as it comes."""
        said = await candidates(panel.experts, request, ask)
        texts = [without_thoughts(one.text) for one in said]
        if all(same(text, texts[0]) for text in texts):
            yield Chunk(texts[0], said[0].finish_reason or "stop")
            return
        lead = self._config.expert or panel.lead or panel.experts[0]
        begun = False
        try:
            async for chunk in ask(lead, asking(request, self.prompt(request.query, texts))):
                begun = True
                yield chunk
        except ExpertError:
            if begun:
                raise
            yield Chunk(texts[0], said[0].finish_reason or "stop")

    def prompt(self, question: str, answers: Sequence[str]) -> str:
        """What the one who leads is asked."""
        fence = fence_for(answers)
        shown = [
            fill(self._config.candidate, number=str(number), answer=answer, fence=fence)
            for number, answer in enumerate(answers, start=1)
        ]
        return fill(self._template, question=question, answers="\n".join(shown))
