"""Plurality and weighted votes, self-consistency, and stopping as soon as the winner is clear.

Self-consistency: arXiv 2203.11171. Adaptive stopping: arXiv 2305.11860. Weights by confidence:
ReConcile, arXiv 2309.13007, section 3.
"""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from aggregators import equality
from aggregators.answer_extraction import Kind, extract
from aggregators.base import Ask, Panel, asking
from aggregators.gather import Call, Said, answer, fullest, gather, nobody, silence
from aggregators.stated_confidence import read_stated
from aggregators.tally import holds, reconcile, tally
from aggregators.vote_weights import WeighingConfig
from experts.errors import ExpertError
from experts.prompts import fill, read_template
from experts.types import Chunk, Request

PROMPT = Path(__file__).parent / "stated.txt"


class VoteConfig(WeighingConfig):
    """The keys of a vote."""

    type: Literal["vote"]
    answer: Kind = Field(
        "text",
        description="What is compared: the whole text, or the number, choice (letter of an option),"
        " Python literal, LaTeX or code that an answer concludes with.",
    )
    confidence: Literal["likelihood", "stated"] = Field(
        "likelihood",
        description="Where confidence comes from: the mean probability of the answer's tokens, or"
        " what the expert is asked to state.",
    )
    stop_at: float | None = Field(
        0.95,
        gt=0.5,
        le=1,
        description="Stop when the leading answer stays ahead with this probability; null: never.",
    )
    chunk: int = Field(
        4,
        ge=1,
        le=64,
        description="Calls that are made at once; the next ones begin when these have ended.",
    )
    prompt: Path | None = Field(
        None,
        description="A text file with {question} that asks for a stated confidence; null: the"
        " built-in prompt.",
    )
    run_tests: bool = Field(
        False,
        description="Run code with the tests that a client sends, as our own user: only programs"
        " that pass most of them have a vote. For clients and experts that you trust.",
    )


class Vote:
    """Everybody of the panel answers; the heaviest answer wins, in the words of its first voter.

    Who was asked first wins a tie. Where no answer can be read, the first one stands.
    """

    Config = VoteConfig

    def __init__(self, config: VoteConfig) -> None:
        """Raises ConfigError for a prompt that cannot be read or lacks its field."""
        self._config = config
        self._template = read_template(config.prompt or PROMPT, ("question",))

    async def aggregate(self, request: Request, panel: Panel, ask: Ask) -> AsyncIterator[Chunk]:
        """The winner's answer."""
        calls = self._config.calls(self._asked(request), panel)
        said = await self._collect(calls, panel, ask)
        texts = [self._answer(one) for one in said]
        tests = request.tests if self._config.run_tests else ()
        labels = await equality.labels(self._config.answer, texts, tests)
        weights = [self._weight(one, panel) for one in said]
        counted = tally(labels, weights)
        votes = {label: round(weight, 3) for label, weight in counted.weights.items()}
        if counted.winner is None:
            ask.tell("no answer could be read", votes=votes)
            yield answer(fullest(said))
            return
        ask.tell(f"{len(said)} votes for {len(votes)} answers", votes=votes)
        won = fullest(
            one for one, label in zip(said, labels, strict=True) if label == counted.winner
        )
        yield Chunk(self._answer(won), won.completion.finish_reason or "stop")

    async def _collect(self, calls: Sequence[Call], panel: Panel, ask: Ask) -> list[Said]:
        """Answers, chunk by chunk, until the winner is clear."""
        said: list[Said] = []
        errors: list[ExpertError] = []
        size = self._config.chunk
        for start in range(0, len(calls), size):
            chunk = calls[start : start + size]
            before = tuple(said)

            def clear(
                now: Sequence[Said],
                waiting: int,
                before: Sequence[Said] = before,
                start: int = start,
                end: int = start + len(chunk),
            ) -> bool:
                asked = [one._replace(call=one.call + start) for one in now]
                left = waiting + len(calls) - end
                return self._clear([*before, *asked], calls, left, panel)

            try:
                found = await gather(chunk, ask, clear)
                said += [one._replace(call=one.call + start) for one in found]
            except ExpertError as error:
                errors.append(error)
            later = len(calls) - start - len(chunk)
            if later and self._clear(said, calls, later, panel):
                ask.tell("the winner is clear", spared=later)
                break
        spoken = [one for one in said if one.text]
        if errors and not spoken:
            raise nobody([*errors, *(silence(one.expert) for one in said)])
        return spoken or said

    def _clear(
        self, said: Sequence[Said], calls: Sequence[Call], waiting: int, panel: Panel
    ) -> bool:
        """Whether the leading answer stays ahead, most probably, if all `waiting` calls vote."""
        if self._config.stop_at is None or not said or self._config.run_tests:
            return False  # Which programs pass is known at the end.
        labels = [extract(self._config.answer, self._answer(one)) for one in said]
        weights = [self._weight(one, panel) for one in said]
        unit = sum(weights) / len(weights)
        to_come = waiting * unit
        if self._config.weights == "router":  # Their weights are known before they vote.
            whole = [self._config.trust(call.expert, panel) for call in calls]
            unit = sum(whole) / len(whole)
            to_come = max(0.0, sum(whole) - sum(weights))
        if not unit:
            return False
        counted = tally(labels, weights)
        # Who was asked earlier wins ties: the winner does where nobody before it has a vote.
        known = {one.call: label for one, label in zip(said, labels, strict=True)}
        voters = [call for call, label in known.items() if label == counted.winner]
        ties = all(known.get(call, "") is None for call in range(min(voters, default=0)))
        return holds(counted.lead, to_come, unit, wins_ties=ties) >= self._config.stop_at

    def _asked(self, request: Request) -> Request:
        if self._states:
            return asking(request, fill(self._template, question=request.query))
        return self._config.asked(request)

    @property
    def _states(self) -> bool:
        return self._config.weights == "confidence" and self._config.confidence == "stated"

    def _answer(self, said: Said) -> str:
        return read_stated(said.text).answer if self._states else said.text

    def _weight(self, said: Said, panel: Panel) -> float:
        if self._states:
            return reconcile(read_stated(said.text).confidence)
        return self._config.weigh(said, panel)
