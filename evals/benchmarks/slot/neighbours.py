"""Asks a resident expert all the time while another expert of its slot loads, reads and writes."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import httpx

from evals.client.ask import Answer, Question, ask
from evals.client.progress import Progress
from experts.errors import ServiceError

EVERY_S = 0.1
"""Between two questions to the resident expert, whether or not the last one was answered."""
IDLE_S = 3.0
SENTENCE = "The quick brown fox jumps over the lazy dog. "
TOKENS_A_SENTENCE = 10
PROMPT_TOKENS = 2000
WRITTEN_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds to the first token of the resident expert, while something went on beside it."""

    beside: str
    seconds: float
    """How long that took."""
    first_token_s: tuple[float, ...]

    def quantile(self, share: float) -> float:
        """The smallest wait that so many of all were not longer than."""
        ordered = sorted(self.first_token_s)
        return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


class Neighbours:
    """A resident expert and one that keeps its slot busy, behind one service."""

    def __init__(
        self, client: httpx.AsyncClient, url: str, resident: str, busy: str, texts: Sequence[str]
    ) -> None:
        """`texts` are questions for the resident expert."""
        self._client = client
        self._url = url
        self._resident = resident
        self._busy = busy
        self._texts = texts
        self._asked = 0

    async def measure(self, rounds: int, progress: Progress) -> list[Waits]:
        """Idle; a load and the first answer; then, in every round, a long prompt and an answer."""
        for _ in self._texts:
            await self._first_token_s()
        found = [await self._during("nothing", partial(asyncio.sleep, IDLE_S))]
        progress.doing(f"loading {self._busy}")
        found.append(await self._during("a load", partial(self._ask_busy, "Hello.", 1)))
        reading, writing = [], []
        for number in range(rounds):
            progress.doing(f"round {number + 1} of {rounds}", number, rounds)
            text = f"{number}: " + SENTENCE * (PROMPT_TOKENS // TOKENS_A_SENTENCE)
            reading.append(await self._during("a long prompt", partial(self._ask_busy, text, 1)))
            story = partial(self._ask_busy, "Tell me a story.", WRITTEN_TOKENS)
            writing.append(await self._during("an answer", story))
        return [*found, _together(reading), _together(writing)]

    async def _during(self, beside: str, work: Callable[[], Awaitable[object]]) -> Waits:
        started = asyncio.get_running_loop().time()
        working = asyncio.ensure_future(work())
        asking: list[asyncio.Task[float]] = []
        while not working.done():
            asking.append(asyncio.create_task(self._first_token_s()))
            await asyncio.wait([working], timeout=EVERY_S)
        await working
        seconds = asyncio.get_running_loop().time() - started
        return Waits(beside, seconds, tuple(await asyncio.gather(*asking)))

    async def _first_token_s(self) -> float:
        self._asked += 1
        text = self._texts[self._asked % len(self._texts)]
        answer = await self._ask(self._resident, text, 8)
        if answer.first_token_s is None:
            raise ServiceError(f"{self._resident} answered without a token.")
        return answer.first_token_s

    async def _ask_busy(self, text: str, tokens: int) -> None:
        await self._ask(self._busy, text, tokens)

    async def _ask(self, expert: str, text: str, tokens: int) -> Answer:
        question = Question(f"{expert}/{self._asked}", expert, text, tokens)
        answer = await ask(self._client, self._url, question)
        if answer.error is not None:
            raise ServiceError(f"{expert} did not answer: {answer.error}.")
        return answer


def _together(parts: Sequence[Waits]) -> Waits:
    waits = tuple(wait for part in parts for wait in part.first_token_s)
    return Waits(parts[0].beside, sum(part.seconds for part in parts) / len(parts), waits)
