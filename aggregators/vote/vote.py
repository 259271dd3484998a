"""Plurality and weighted votes, self-consistency, and stopping as soon as the winner is clear.

Self-consistency: arXiv 2203.11171. Adaptive stopping: arXiv 2305.11860. Weights by confidence:
ReConcile, arXiv 2309.13007, section 3.
"""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from aggregators.answers.extraction import extract
from aggregators.answers.short import short_answers
from aggregators.base import Ask, Panel, with_prompt
from aggregators.failures import all_failed_error
from aggregators.gather import Answer, Call, as_chunk, first_complete, gather
from aggregators.grouping import CANNOT_GROUP, SIMILAR, AnswerKind, Grouping, group
from aggregators.judging import Judge, best_of
from aggregators.tally import lead_probability, reconcile_weight, tally
from aggregators.vote.stated_confidence import read_stated
from aggregators.vote_weights import VotingConfig
from experts.errors import ExpertError
from experts.prompts import read_template
from experts.types import Chunk, Request

PROMPTS = Path(__file__).parent


class VoteConfig(VotingConfig):
    """The keys of a vote."""

    type: Literal["vote"]
    answer: AnswerKind = Field(
        "auto",
        description="What is compared of two answers: the whole text, or the number, the choice (an"
        " option's letter), the Python literal, the JSON object, the LaTeX or the code that it"
        " concludes with; `auto`: the option, number or short answer that can be read out of its"
        " sentences, or else its meaning, by the sentence encoder.",
    )
    similar: float = Field(
        SIMILAR,
        gt=0,
        le=1,
        description="Least similarity (cosine of the encoder's vectors) of two texts that count as"
        " the same answer, for `auto`.",
    )
    judge: str | None = Field(
        None,
        description="The expert that picks the best answer where `auto` finds no two alike; null:"
        " the first is given, and the explanation and a header say so.",
    )
    judge_tokens: int = Field(256, ge=1, description="Most tokens of the judge's reply.")
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

    def named(self) -> dict[str, tuple[str, ...]]:
        """The judge must be in the pool."""
        return {"judge": (self.judge,) if self.judge is not None else ()}


class Vote:
    """The whole panel answers; the answer with the heaviest vote wins, in its first voter's words.

    The answer of the expert asked first wins a tie. Where no answer can be read, or no two can be
    compared and there is no judge, the first answer is given.
    """

    Config = VoteConfig

    def __init__(self, config: VoteConfig) -> None:
        """Raises ConfigError for a prompt that cannot be read or lacks its field."""
        self._config = config
        self._template = read_template(config.prompt or PROMPTS / "stated.txt", ("question",))
        self._judges = read_template(PROMPTS / "judge.txt", ("question", "first", "second"))

    def most_calls(self, panel: Panel) -> Counter[str]:
        """All samples: no winner is clear earlier; and the judge on all that they say."""
        calls = self._config.most_calls(panel)
        if self._config.judge is None or self._config.answer != "auto":
            return calls
        return calls + Counter({self._config.judge: 2 * max(0, calls.total() - 1)})

    async def aggregate(self, request: Request, panel: Panel, ask: Ask) -> AsyncIterator[Chunk]:
        """The winner's answer."""
        calls = self._config.calls(self._asked(request), panel)
        answers = await self._collect(calls, request.query, panel, ask)
        texts = [self._answer(one) for one in answers]
        found = await self._grouped(request, texts, ask)
        if found.how == "none":
            yield await self._ungrouped(request, answers, texts, ask)
            return
        labels = found.labels
        weights = [self._weight(one, panel) for one in answers]
        counted = tally(labels, weights)
        votes = {label: round(weight, 3) for label, weight in counted.weights.items()}
        if counted.winner is None:
            ask.tell("no answer could be read", votes=votes)
            yield as_chunk(first_complete(answers))
            return
        words = f"{len(answers)} votes for {len(votes)} answers"
        won = first_complete(
            one for one, label in zip(answers, labels, strict=True) if label == counted.winner
        )
        ask.tell(words, votes=votes, grouping=found.how, author=won.expert)
        yield Chunk(self._answer(won), won.completion.finish_reason or "stop")

    async def _grouped(self, request: Request, texts: Sequence[str], ask: Ask) -> Grouping:
        tests = request.tests if self._config.run_tests else ()
        kind, similar = self._config.answer, self._config.similar
        return await group(kind, request.query, texts, ask, tests=tests, similar=similar)

    async def _ungrouped(
        self, request: Request, answers: Sequence[Answer], texts: Sequence[str], ask: Ask
    ) -> Chunk:
        """The answer that the judge finds best; without a judge the first, and that is said."""
        if self._config.judge is None:
            ask.tell(CANNOT_GROUP, grouping="none")
            first = first_complete(answers)
            return Chunk(self._answer(first), first.completion.finish_reason or "stop")
        ask.tell("no two answers are alike: the judge decides", grouping="judge")
        reply = {"temperature": 0, "max_tokens": self._config.judge_tokens}
        judge = Judge(self._config.judge, self._judges, reply)
        best = await best_of(judge, request, texts, ask)
        return Chunk(texts[best], answers[best].completion.finish_reason or "stop")

    async def _collect(
        self, calls: Sequence[Call], question: str, panel: Panel, ask: Ask
    ) -> list[Answer]:
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
                return self._clear([*before, *asked], calls, left, question, panel)

            try:
                found = await gather(chunk, ask, clear)
                answers += [one._replace(call=one.call + start) for one in found]
            except ExpertError as error:
                errors.append(error)
            later = len(calls) - start - len(chunk)
            if later and self._clear(answers, calls, later, question, panel):
                ask.tell("the winner is clear", spared=later)
                break
        if errors and not answers:
            raise all_failed_error(errors)
        return answers

    def _clear(
        self,
        answers: Sequence[Answer],
        calls: Sequence[Call],
        waiting: int,
        question: str,
        panel: Panel,
    ) -> bool:
        """Whether the leading answer stays ahead, most probably, if all `waiting` calls vote."""
        if self._config.stop_at is None or not answers or self._config.run_tests:
            return False  # Which programs pass is only known at the end.
        labels = self._labels(answers, question)
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

    def _labels(self, answers: Sequence[Answer], question: str) -> list[str | None]:
        """What can be read of the answers so far, at once; a text that cannot stands for itself."""
        texts = [self._answer(one) for one in answers]
        if self._config.answer != "auto":
            return [extract(self._config.answer, text) for text in texts]
        read = short_answers(question, texts)
        return [text if label is None else label for text, label in zip(texts, read, strict=True)]

    def _asked(self, request: Request) -> Request:
        if self._states:
            return with_prompt(request, self._template, question=request.query)
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
