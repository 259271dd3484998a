"""Multi-agent debate over any experts (Du et al., arXiv 2305.14325; ReConcile, arXiv 2309.13007).

Most of what a debate gains is the vote's (arXiv 2508.17536), so that it stops where all agree or
nobody has changed its answer. Splitting a question that stays open into narrower ones, which are
debated in the same way, is Tree-of-Debate's idea (arXiv 2502.14767).
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import NamedTuple

from aggregators import equality
from aggregators.base import Ask, Panel, with_question
from aggregators.debate.debate_config import DebateConfig
from aggregators.debate.graph import hears
from aggregators.failures import failure_reason
from aggregators.gather import Answer, Call, as_chunk, first_complete, gather
from aggregators.single_call import complete
from aggregators.tally import Tally, tally
from experts.errors import ExpertError
from experts.prompts import defused, fence_for, fill, read_template
from experts.types import Chunk, Request

FOLDER = Path(__file__).parent
CUT = " [...]"
LONGEST_WORD = 24


class Prompts(NamedTuple):
    """Texts with fields: to hear others, to split a question, to hear what that has brought."""

    round: str
    split: str
    findings: str


@dataclass(frozen=True, slots=True)
class DebateState:
    """Where a debate stands: each agent's last answer, what it says, and what its vote weighs."""

    said: tuple[Answer, ...]
    labels: tuple[str | None, ...]
    counted: Tally

    @property
    def agreed(self) -> bool:
        """Whether all say the same."""
        return len(set(self.labels)) == 1 and self.labels[0] is not None

    @property
    def winner(self) -> Answer:
        """The answer of the heaviest label; where none can be read, the first agent's."""
        best = self.counted.winner
        same = [one for one, label in zip(self.said, self.labels, strict=True) if label == best]
        return first_complete(same if best is not None else self.said)


class Debate:
    """Agents answer, hear each other and answer again; a vote decides in the end."""

    Config = DebateConfig

    def __init__(self, config: DebateConfig) -> None:
        """Raises ConfigError for a prompt that cannot be read or lacks a field."""
        self._config = config
        self._prompts = Prompts(
            read_template(config.prompt or FOLDER / "round.txt", ("question", "answers")),
            read_template(FOLDER / "split.txt", ("question", "answers", "count")),
            read_template(FOLDER / "findings.txt", ("question", "findings")),
        )

    async def aggregate(self, request: Request, panel: Panel, ask: Ask) -> AsyncIterator[Chunk]:
        """The answer that has won."""
        room = Discussion(self._config, self._prompts, panel, ask)
        standing = await room.settle(request, self._config.depth)
        votes = {label: round(w, 3) for label, w in standing.counted.weights.items()}
        ask.tell("the debate is over" if votes else "no answer could be read", votes=votes)
        yield as_chunk(standing.winner)


@dataclass(frozen=True, slots=True)
class Discussion:
    """Where one request is debated, and the narrower questions that it is split into."""

    config: DebateConfig
    prompts: Prompts
    panel: Panel
    ask: Ask

    async def settle(self, request: Request, depth: int) -> DebateState:
        """Answers and rounds; then narrower questions, and what they have brought."""
        calls = self.config.calls(self.config.asked(request), self.panel)
        standing = await self._stand(await gather(calls, self.ask))
        standing = await self._discuss(standing, calls, request)
        if standing.agreed or not self.config.subtopics or not depth or self._late():
            return standing
        findings = await self._narrower(standing, request, depth)
        if not findings:
            return standing
        fence = fence_for([findings])
        text = fill(self.prompts.findings, question=request.query, findings=findings, fence=fence)
        told = with_question(request, text)
        calls = [Call(call.expert, with_question(call.request, text)) for call in calls]
        return await self._round_of(standing, calls, told)

    async def _discuss(
        self, standing: DebateState, calls: Sequence[Call], request: Request
    ) -> DebateState:
        for number in range(1, self.config.rounds + 1):
            listens = any(self._discusses(one.expert) for one in standing.said)
            if standing.agreed or len(standing.said) < 2 or not listens or self._late():
                break
            self.ask.tell(f"round {number}", rounds=number)
            before = standing.labels
            standing = await self._round_of(standing, calls, request)
            if standing.labels == before:
                self.ask.tell("nobody has changed its answer")
                break
        return standing

    async def _round_of(
        self, standing: DebateState, calls: Sequence[Call], request: Request
    ) -> DebateState:
        """Everybody hears others and answers again; who fails stays with its last answer."""
        agents = standing.said
        around = hears(self.config.graph, len(agents))
        listening = [n for n, one in enumerate(agents) if self._discusses(one.expert)]
        again = []
        for number in listening:
            one = agents[number]
            text = fill(
                self.prompts.round,
                question=request.query,
                own=self._cut(one.text),
                answers=self._groups(standing, around[number]),
            )
            again.append(Call(one.expert, with_question(calls[one.call].request, text)))
        try:
            fresh = {listening[one.call]: one for one in await gather(again, self.ask) if one.text}
        except ExpertError as error:
            self.ask.tell("the round failed", failed=[failure_reason(error)])
            return standing
        said = [
            fresh[number]._replace(call=one.call) if number in fresh else one
            for number, one in enumerate(agents)
        ]
        return await self._stand(said)

    def _groups(self, standing: DebateState, heard: Sequence[int]) -> str:
        """What the heard ones say, equal answers together, each in the words of the first."""
        groups: dict[str, list[Answer]] = {}
        for number in heard:
            label = standing.labels[number]
            key = f"= {label}" if label is not None else f"? {number}"
            groups.setdefault(key, []).append(standing.said[number])
        texts = [self._cut(first_complete(group).text) for group in groups.values()]
        fence = fence_for(texts)
        return "\n".join(
            fill(
                self.config.peers,
                number=str(number),
                count=str(len(group)),
                share=f"{ceil(100 * len(group) / len(heard))} %",
                answer=text,
                fence=fence,
            )
            for number, (group, text) in enumerate(zip(groups.values(), texts, strict=True), 1)
        )

    async def _narrower(self, standing: DebateState, request: Request, depth: int) -> str:
        """What debates of narrower questions conclude; nothing where nobody can name any."""
        lead = self.config.moderator or self.panel.lead or self.panel.experts[0]
        text = fill(
            self.prompts.split,
            question=request.query,
            answers=self._groups(standing, range(len(standing.said))),
            count=str(self.config.subtopics),
        )
        try:
            named = (await complete(lead, with_question(request, text), self.ask)).text
        except ExpertError as error:
            self.ask.tell(f"{lead} failed", failed=[failure_reason(error)])
            return ""
        topics = [line.strip(" -*\t") for line in named.splitlines() if line.strip(" -*\t")]
        topics = topics[: self.config.subtopics]
        self.ask.tell(f"{len(topics)} narrower questions", topics=topics)
        debates = [self.settle(with_question(request, topic), depth - 1) for topic in topics]
        found = await asyncio.gather(*debates, return_exceptions=True)
        for one in found:
            if isinstance(one, BaseException) and not isinstance(one, ExpertError):
                raise one
        return "\n".join(
            f"- {defused(topic)}: {self._cut(one.winner.text)}"
            for topic, one in zip(topics, found, strict=True)
            if isinstance(one, DebateState)
        )

    async def _stand(self, said: Sequence[Answer]) -> DebateState:
        labels = await equality.labels(self.config.answer, [one.text for one in said])
        weights = [self.config.vote_weight(one, self.panel) for one in said]
        return DebateState(tuple(said), tuple(labels), tally(labels, weights))

    def _discusses(self, expert: str) -> bool:
        return not self.config.discussants or expert in self.config.discussants

    def _cut(self, text: str) -> str:
        return cut_words(defused(text), self.config.words)

    def _late(self) -> bool:
        return asyncio.get_running_loop().time() >= self.ask.deadline


def cut_words(text: str, most: int) -> str:
    """The first words of a text, its layout kept; of one without spaces, as many letters."""
    words = text.split(None, most)
    end = len(text) - len(words[most]) if len(words) > most else len(text)
    end = min(end, most * LONGEST_WORD)
    return text if end == len(text) else text[:end].rstrip() + CUT
