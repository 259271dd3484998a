"""Plurality and weighted votes, self-consistency, and stopping as soon as the winner is clear.

Self-consistency: arXiv 2203.11171. Adaptive stopping: arXiv 2305.11860. Weights by confidence:
ReConcile, arXiv 2309.13007, section 3.
"""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from aggregators import equality
from aggregators.answers.extraction import Kind, extract
from aggregators.base import Ask, Panel, with_question
from aggregators.failures import all_failed_error, no_text_error
from aggregators.gather import Answer, Call, as_chunk, first_complete, gather
from aggregators.tally import lead_probability, reconcile_weight, tally
from aggregators.vote.stated_confidence import read_stated
from aggregators.vote_weights import VotingConfig
from experts.errors import ExpertError
from experts.prompts import fill, read_template
from experts.types import Chunk, Request

PROMPT = Path(__file__).parent / "stated.txt"


class VoteConfig(VotingConfig):
    """The keys of a vote."""

    type: Literal["vote"]
    answer: Kind = Field(
        "text",
        description="What is compared of two answers: the whole text, or the number, the choice (an"
        " option's letter), the Python literal, the LaTeX or the code that it concludes with.",
    )
    confidence: Literal["likelihood", "stated"] = Field(
        "likelihood",
        description="Source of the confidence: the mean probability of the answer's tokens, or what"
        " the expert states when it is asked.",
    )
    stop_at: float | None = Field(
        0.95,
        gt=0.5,
        le=1,
        description="Stop when the leading answer stays ahead with this probability; null never"
        " stops.",
    )
    chunk: int = Field(
        4,
        ge=1,
        le=64,
        description="Calls made at once; the next ones start when these are done.",
    )
    prompt: Path | None = Field(
        None,
        description="How confidence is asked for: a text file with the field {question}; by"
        " default a built-in prompt.",
    )
    run_tests: bool = Field(
        False,
        description="Run code against the tests that a client sends, as the service's own user:"
        " only programs that pass the most tests have a vote. For trusted clients and"
        " experts only.",
    )


class Vote:
    """The whole panel answers; the answer with the heaviest vote wins, in its first voter's words.

    The answer of the expert asked first wins a tie. Where no answer can be read, the first answer
    is given.
    """

    Config = VoteConfig

    def __init__(self, config: VoteConfig) -> None:
        """Raises ConfigError for a prompt that cannot be read or lacks its field."""
        self._config = config
        self._template = read_template(config.prompt or PROMPT, ("question",))

    def most_calls(self, panel: Panel) -> Counter[str]:
        """All samples: no winner is clear earlier."""
        return self._config.most_calls(panel)

    async def aggregate(self, request: Request, panel: Panel, ask: Ask) -> AsyncIterator[Chunk]:
        """The winner's answer."""
        calls = self._config.calls(self._asked(request), panel)
        answers = await self._collect(calls, panel, ask)
        texts = [self._answer(one) for one in answers]
        tests = request.tests if self._config.run_tests else ()
        labels = await equality.labels(self._config.answer, texts, tests)
        weights = [self._weight(one, panel) for one in answers]
        counted = tally(labels, weights)
        votes = {label: round(weight, 3) for label, weight in counted.weights.items()}
        if counted.winner is None:
            ask.tell("no answer could be read", votes=votes)
            yield as_chunk(first_complete(answers))
            return
        ask.tell(f"{len(answers)} votes for {len(votes)} answers", votes=votes)
        won = first_complete(
            one for one, label in zip(answers, labels, strict=True) if label == counted.winner
        )
        yield Chunk(self._answer(won), won.completion.finish_reason or "stop")

    async def _collect(self, calls: Sequence[Call], panel: Panel, ask: Ask) -> list[Answer]:
        """Make the calls, a chunk at a time, until the winner is clear."""
        answers: list[Answer] = []
        errors: list[ExpertError] = []
        size = self._config.chunk
        for start in range(0, len(calls), size):
            chunk = calls[start : start + size]
            before = tuple(answers)

            def clear(
                now: Sequence[Answer],
                waiting: int,
                before: Sequence[Answer] = before,
                start: int = start,
                end: int = start + len(chunk),
            ) -> bool:
                asked = [one._replace(call=one.call + start) for one in now]
                left = waiting + len(calls) - end
                return self._clear([*before, *asked], calls, left, panel)

            try:
                found = await gather(chunk, ask, clear)
                answers += [one._replace(call=one.call + start) for one in found]
            except ExpertError as error:
                errors.append(error)
            later = len(calls) - start - len(chunk)
            if later and self._clear(answers, calls, later, panel):
                ask.tell("the winner is clear", spared=later)
                break
        spoken = [one for one in answers if one.text]
        if errors and not spoken:
            raise all_failed_error([*errors, *(no_text_error(one.expert) for one in answers)])
        return spoken or answers

    def _clear(
        self, answers: Sequence[Answer], calls: Sequence[Call], waiting: int, panel: Panel
    ) -> bool:
        """Whether the leading answer stays ahead, most probably, if all `waiting` calls vote."""
        if self._config.stop_at is None or not answers or self._config.run_tests:
            return False  # Which programs pass is only known at the end.
        labels = [extract(self._config.answer, self._answer(one)) for one in answers]
        weights = [self._weight(one, panel) for one in answers]
        unit = sum(weights) / len(weights)
        to_come = waiting * unit
        if self._config.weights == "router":  # Their weights are known before they vote.
            whole = [self._config.router_weight(call.expert, panel) for call in calls]
            unit = sum(whole) / len(whole)
            to_come = max(0.0, sum(whole) - sum(weights))
        if not unit:
            return False
        counted = tally(labels, weights)
        # The earlier call wins a tie: the leader does where no call before its voters has a vote.
        known = {one.call: label for one, label in zip(answers, labels, strict=True)}
        voters = [call for call, label in known.items() if label == counted.winner]
        ties = all(known.get(call, "") is None for call in range(min(voters, default=0)))
        return lead_probability(counted.lead, to_come, unit, wins_ties=ties) >= self._config.stop_at

    def _asked(self, request: Request) -> Request:
        if self._states:
            return with_question(request, fill(self._template, question=request.query))
        return self._config.asked(request)

    @property
    def _states(self) -> bool:
        return self._config.weights == "confidence" and self._config.confidence == "stated"

    def _answer(self, answer: Answer) -> str:
        return read_stated(answer.text).answer if self._states else answer.text

    def _weight(self, answer: Answer, panel: Panel) -> float:
        if self._states:
            return reconcile_weight(read_stated(answer.text).confidence)
        return self._config.vote_weight(answer, panel)
