"""How a debate runs: first answers, rounds in which agents hear each other, narrower questions."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from aggregators.base import Ask, Panel, with_prompt, with_question
from aggregators.debate.debate_config import DebateConfig
from aggregators.debate.graph import hears
from aggregators.echoes import Echoes
from aggregators.failures import failure_reason
from aggregators.gather import Answer, Call, first_complete, gather
from aggregators.grouping import How, group
from aggregators.single_call import complete
from aggregators.tally import Tally, tally
from experts.errors import ExpertError
from experts.prompts import defused, fence_for, fill
from experts.types import Request

CUT = " [...]"
LONGEST_WORD = 24


class Prompts(NamedTuple):
    """Prompt templates: for a round, for splitting a question, and for the findings of that."""

    round: str
    split: str
    findings: str


@dataclass(frozen=True, slots=True)
class DebateState:
    """The state of a debate: each agent's last answer, its label, and the count of the votes."""

    answers: tuple[Answer, ...]
    labels: tuple[str | None, ...]
    counted: Tally
    how: How = "read"
    """How the labels were found."""
    first: tuple[Answer, ...] = ()
    """What each agent said before it heard others; empty while nobody has."""
    first_labels: tuple[str | None, ...] = ()

    @property
    def agreed(self) -> bool:
        """Whether all answers are the same."""
        return len(set(self.labels)) == 1 and self.labels[0] is not None

    @property
    def winner(self) -> Answer:
        """The answer with the heaviest label; where none can be read, the first agent's."""
        best = self.counted.winner
        if best is None:
            return first_complete(self.answers)
        voters, labels = (*self.answers, *self.first), (*self.labels, *self.first_labels)
        same = [one for one, label in zip(voters, labels, strict=True) if label == best]
        return first_complete(same)


@dataclass(frozen=True, slots=True)
class Discussion:
    """The debate of one request, and of the narrower questions that it is split into."""

    config: DebateConfig
    prompts: Prompts
    panel: Panel
    ask: Ask

    async def run(self, request: Request, depth: int) -> DebateState:
        """First answers and rounds; then narrower questions, and a round on what they found."""
        calls = self.config.calls(self.config.asked(request), self.panel)
        state = await self._count(await gather(calls, self.ask), request)
        state = await self._discuss(state, calls, request)
        if state.agreed or not self.config.subtopics or not depth or self._past_deadline():
            return state
        findings = await self._subdebates(state, request, depth)
        if not findings:
            return state
        fence = fence_for([findings])
        text = fill(self.prompts.findings, question=request.query, findings=findings, fence=fence)
        question = with_question(request, text)
        calls = [Call(call.expert, with_question(call.request, text)) for call in calls]
        return await self._next_round(state, calls, question)

    async def _discuss(
        self, state: DebateState, calls: Sequence[Call], request: Request
    ) -> DebateState:
        for number in range(1, self.config.rounds + 1):
            listens = any(self._listens(one.expert) for one in state.answers)
            if state.agreed or len(state.answers) < 2 or not listens or self._past_deadline():
                break
            self.ask.tell(f"round {number}", rounds=number)
            before = state.labels
            state = await self._next_round(state, calls, request)
            if state.labels == before:
                self.ask.tell("no expert changed its answer")
                break
        return state

    async def _next_round(
        self, state: DebateState, calls: Sequence[Call], request: Request
    ) -> DebateState:
        """Everybody hears others and answers again; an expert that fails keeps its last answer."""
        agents = state.answers
        around = hears(self.config.graph, len(agents))
        listening = [n for n, one in enumerate(agents) if self._listens(one.expert)]
        again = []
        for number in listening:
            one = agents[number]
            asked = with_prompt(
                calls[one.call].request,
                self.prompts.round,
                question=request.query,
                own=self._cut(one.text),
                answers=self._groups(state, around[number]),
            )
            again.append(Call(one.expert, asked))
        try:
            lines = self._introductions(state)
            heard = [self._own_words(one, request, lines) for one in await gather(again, self.ask)]
            fresh = {listening[one.call]: one for one in heard if one.text}
        except ExpertError as error:
            self.ask.tell("the round failed", failed=[failure_reason(error)])
            return state
        answers = [
            fresh[number]._replace(call=one.call) if number in fresh else one
            for number, one in enumerate(agents)
        ]
        return await self._count(answers, request, state.first or state.answers)

    def _own_words(self, answer: Answer, request: Request, lines: Sequence[str]) -> Answer:
        """An answer without what it repeats of our prompts; empty where that is all of it."""
        prompts = (self.prompts.round, self.prompts.findings)
        text = Echoes(prompts, request.query, lines).without(answer.text)
        if text != answer.text:
            self.ask.tell(f"{answer.expert} repeated its prompt", repeated=[answer.expert])
        return answer._replace(text=text)

    def _groups(self, state: DebateState, heard: Sequence[int]) -> str:
        """The answers that are heard, equal ones as one group, in the words of its first expert."""
        groups: dict[str, list[Answer]] = {}
        for number in heard:
            label = state.labels[number]
            key = f"= {label}" if label is not None else f"? {number}"
            groups.setdefault(key, []).append(state.answers[number])
        texts = [self._cut(first_complete(group).text) for group in groups.values()]
        fence = fence_for(texts)
        return "\n".join(
            self._introduced(number, len(group), len(heard), text, fence)
            for number, (group, text) in enumerate(zip(groups.values(), texts, strict=True), 1)
        )

    def _introduced(self, number: int, count: int, heard: int, text: str, fence: str) -> str:
        """An answer as others see it."""
        return fill(
            self.config.peers,
            number=str(number),
            count=str(count),
            share=f"{ceil(100 * count / heard)} %",
            times=f", given {count} times" if count > 1 else "",
            answer=text,
            fence=fence,
        )

    def _introductions(self, state: DebateState) -> list[str]:
        """The lines that may stand above an answer that is heard."""
        most = len(state.answers)
        above = {
            self._introduced(number, count, heard, "\n\n", "\n").split("\n\n")[0]
            for number in range(1, most + 1)
            for heard in range(1, most + 1)
            for count in range(1, heard + 1)
        }
        return sorted(line for text in above for line in text.splitlines())

    async def _subdebates(self, state: DebateState, request: Request, depth: int) -> str:
        """The conclusions of narrower debates, a line each; empty where no question is named."""
        lead = self.config.moderator or self.panel.lead or self.panel.experts[0]
        text = fill(
            self.prompts.split,
            question=request.query,
            answers=self._groups(state, range(len(state.answers))),
            count=str(self.config.subtopics),
        )
        try:
            named = (await complete(lead, with_question(request, text), self.ask)).text
        except ExpertError as error:
            self.ask.tell(f"{lead} failed", failed=[failure_reason(error)])
            return ""
        echoes = Echoes([self.prompts.split], request.query)
        lines = [echoes.without(line).strip(" -*\t") for line in named.splitlines()]
        topics = [line for line in lines if line]
        topics = topics[: self.config.subtopics]
        self.ask.tell(f"{len(topics)} narrower questions", topics=topics)
        debates = [self.run(with_question(request, topic), depth - 1) for topic in topics]
        found = await asyncio.gather(*debates, return_exceptions=True)
        for one in found:
            if isinstance(one, BaseException) and not isinstance(one, ExpertError):
                raise one
        return "\n".join(
            f"- {defused(topic)}: {self._cut(one.winner.text)}"
            for topic, one in zip(topics, found, strict=True)
            if isinstance(one, DebateState)
        )

    async def _count(
        self, answers: Sequence[Answer], request: Request, first: Sequence[Answer] = ()
    ) -> DebateState:
        """The state after a round.

        What an agent said first has a vote beside what it says now: most of what a debate gains
        comes from the vote, and a model that lost the thread while it heard others would else take
        its right answer along. Where all agree in the end, that decides.
        """
        voters, count = (*answers, *first), len(answers)
        texts = [one.text for one in voters]
        labels, how = await group(self.config.answer, request.query, texts, self.ask)
        now, before = labels[:count], labels[count:]
        votes = labels if len(set(now)) > 1 else now
        weights = [self.config.vote_weight(one, self.panel) for one in voters[: len(votes)]]
        counted = tally(votes, weights)
        return DebateState(tuple(answers), now, counted, how, tuple(first), before)

    def _listens(self, expert: str) -> bool:
        return not self.config.discussants or expert in self.config.discussants

    def _cut(self, text: str) -> str:
        return cut_words(defused(text), self.config.words)

    def _past_deadline(self) -> bool:
        return asyncio.get_running_loop().time() >= self.ask.deadline


def cut_words(text: str, most: int) -> str:
    """The first `most` words of a text and its layout; without spaces it is cut by letters."""
    words = text.split(None, most)
    end = len(text) - len(words[most]) if len(words) > most else len(text)
    end = min(end, most * LONGEST_WORD)
    return text if end == len(text) else text[:end].rstrip() + CUT
