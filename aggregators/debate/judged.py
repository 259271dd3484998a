"""A debate of two sides before a judge (Khan et al., arXiv 2402.06782; Michael et al., 2311.08702).

The sides are the two answers that most of the panel gave. Quotes are checked against the source
that came with the request, and the judge hears both orders.
"""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from aggregators.base import Ask, Panel, with_question
from aggregators.debate.debate_config import JudgedDebateConfig
from aggregators.debate.discussion import cut_words
from aggregators.debate.quotes import certify
from aggregators.echoes import Echoes
from aggregators.failures import failure_reason
from aggregators.gather import Answer, Call, as_chunk, first_complete, gather
from aggregators.grouping import group
from aggregators.judging import UNDECIDED, Judge, compare
from aggregators.sampling import one_each
from aggregators.tally import tally
from experts.errors import ExpertError
from experts.prompts import defused, fence_for, fill, read_template
from experts.types import Chunk, Request

PROMPTS = Path(__file__).parent
ARGUE = ("question", "answer", "other", "transcript")


class JudgedDebate:
    """Two answers, each argued for by an expert that gave it; the judge's probability decides.

    Where all agree, there is nothing to argue about. Where the judge is undecided, the answer that
    more of the panel gave wins.
    """

    Config = JudgedDebateConfig

    def __init__(self, config: JudgedDebateConfig) -> None:
        """Raises ConfigError for a prompt that cannot be read or lacks a field."""
        self._config = config
        self._argue = read_template(config.argument_prompt or PROMPTS / "argue.txt", ARGUE)
        fields = ("question", "first", "second")
        self._judge = read_template(config.prompt or PROMPTS / "judge.txt", fields)

    def most_calls(self, panel: Panel) -> Counter[str]:
        """Their answers, every round whichever side they are on, and the judge in both orders."""
        asked = Counter(panel.experts)
        sides = {expert: min(n, 2) * self._config.rounds for expert, n in asked.items()}
        return asked + Counter(sides) + Counter({self._judges(panel): 2})

    async def aggregate(self, request: Request, panel: Panel, ask: Ask) -> AsyncIterator[Chunk]:
        """The answer of the side that convinced the judge."""
        answers = await gather(one_each(request, panel.experts), ask)
        sides = await self._sides(answers, request, ask)
        if len(sides) == 1:
            yield as_chunk(sides[0])
            return
        arguments = await self._argued(sides, request, ask)
        cases = [
            "\n".join([f"The answer is: {self._certified(side.text, request)}", *own])
            for side, own in zip(sides, arguments, strict=True)
        ]
        judge = Judge(
            self._judges(panel),
            self._judge,
            {"temperature": 0, "max_tokens": self._config.judge_tokens},
        )
        (likes,) = await compare(judge, request, [(cases[0], cases[1])], ask)
        ask.tell(
            "judged",
            judge=judge.expert,
            sides=[side.expert for side in sides],
            probability=round(likes, 4),
        )
        yield as_chunk(sides[0] if likes >= UNDECIDED else sides[1])

    def _judges(self, panel: Panel) -> str:
        return self._config.judge or panel.lead or panel.experts[-1]

    async def _sides(self, answers: Sequence[Answer], request: Request, ask: Ask) -> list[Answer]:
        """An answer for each of the two heaviest labels; an unreadable one is its own label."""
        texts = [one.text for one in answers]
        labels, how = await group(self._config.answer, request.query, texts, ask)
        ask.tell("the sides are found", grouping=how)
        keys = [
            f"= {label}" if label is not None else f"? {one.call}"
            for one, label in zip(answers, labels, strict=True)
        ]
        counted = tally(keys, [1.0] * len(keys))
        return [
            first_complete(one for one, key in zip(answers, keys, strict=True) if key == side)
            for side in list(counted.weights)[:2]
        ]

    async def _argued(
        self, sides: Sequence[Answer], request: Request, ask: Ask
    ) -> tuple[list[str], list[str]]:
        """The arguments of both sides, made at the same time in every round."""
        arguments: tuple[list[str], list[str]] = ([], [])
        echoes = Echoes([self._argue], request.query)
        for number in range(1, self._config.rounds + 1):
            ask.tell(f"round {number}", rounds=number)
            calls = [
                Call(
                    side.expert,
                    with_question(request, self._prompt(sides, mine, request, arguments)),
                )
                for mine, side in enumerate(sides)
            ]
            try:
                answers = await gather(calls, ask, what="arguments received")
            except ExpertError as error:
                ask.tell("both sides failed to argue", failed=[failure_reason(error)])
                break
            texts = {one.call: echoes.without(one.text) for one in answers}
            for mine in (0, 1):
                said = self._certified(texts.get(mine, ""), request)
                arguments[mine].append(said or "(no argument)")
        return arguments

    def _certified(self, text: str, request: Request) -> str:
        return certify(
            defused(cut_words(text, self._config.words)),
            request.source,
            self._config.shortest_quote,
            self._config.quoted_letters,
        )

    def _prompt(
        self,
        sides: Sequence[Answer],
        mine: int,
        request: Request,
        arguments: tuple[Sequence[str], Sequence[str]],
    ) -> str:
        rounds = max(map(len, arguments))
        lines = [
            f"{'You' if side == mine else 'The other'}: {arguments[side][number]}"
            for number in range(rounds)
            for side in (0, 1)
            if number < len(arguments[side])
        ]
        shown = {
            "answer": cut_words(defused(sides[mine].text), self._config.words),
            "other": cut_words(defused(sides[1 - mine].text), self._config.words),
            "transcript": "\n".join(lines) or "(nothing yet)",
            "source": request.source,
        }
        fence, words = fence_for(list(shown.values())), str(self._config.words)
        return fill(self._argue, question=request.query, fence=fence, words=words, **shown)
