"""Runs the requests of one torch-served expert in turns, a token each, beside vLLM's engines."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import TemplateError
from torch import Tensor

from experts.errors import ConfigError, ExpertLost, RequestError
from experts.fused.torch_engine.mixture_of_thoughts import Prompt, Session, ThoughtsModel
from experts.fused.torch_engine.sampling import Sampler, Sampling
from experts.fused.torch_engine.stops import Stops
from experts.vllm.turns.stepper import ARRIVAL, Stepper


@dataclass(frozen=True, slots=True)
class Ask:
    """What a request wants."""

    prompt: Prompt
    role: str | None
    max_tokens: int | None
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True, slots=True)
class Token:
    """One step of an answer."""

    token: int
    text: str
    """What can be shown: text that may become a stop string is held back."""
    log_probs: Tensor
    """[vocabulary], before any penalty."""
    attention: list[list[float]]
    finish: str | None = None


@dataclass(slots=True, eq=False)
class Running:
    """A request whose prompt has been tokenized."""

    session: Session
    sampler: Sampler
    ask: Ask
    left: int
    stops: Stops
    answer: "asyncio.Queue[Token | Exception]" = field(default_factory=asyncio.Queue)


class TorchEngine:
    """One loaded expert. It is stepped by the process's `Stepper`."""

    def __init__(self, folder: Path, stepper: Stepper, max_num_seqs: int) -> None:
        """Load the folder; blocks. Raises ConfigError."""
        self.model = ThoughtsModel(folder)
        self._end = self.model.tokenizers[0].eos_token_id
        self._stepper = stepper
        self._most = max_num_seqs
        self._running: list[Running] = []
        self._name = folder.name
        self._gone = False
        stepper.add(self)

    def shutdown(self) -> None:
        """Stop answering; requests under way end with ExpertLost. Safe to call from any thread."""
        self._stepper.remove(self)
        self._stepper.soon(self._end_all)

    def _end_all(self) -> None:
        self._gone = True
        for running in self._running:
            running.answer.put_nowait(self._unloaded())
        self._running.clear()

    def _unloaded(self) -> ExpertLost:
        return ExpertLost(
            f"{self._name} was unloaded before its answer was complete.", expert=self._name
        )

    async def sleep(self, level: int) -> None:
        """Nothing to free: the weights are in the host's memory."""

    async def wake_up(self, tags: list[str]) -> None:
        """It never slept."""

    async def collective_rpc(self, method: str) -> None:
        """There are no workers to call."""

    async def reset_prefix_cache(self) -> None:
        """Prompts are not remembered."""

    def get_num_unfinished_requests(self) -> int:
        """Requests that run or wait."""
        return len(self._running)

    @property
    def busy(self) -> bool:
        return bool(self._running)

    @property
    def hurried(self) -> bool:
        """It does not know which of them may come later."""
        return self.busy

    @property
    def requests(self) -> frozenset[int]:
        return frozenset(map(id, self._running))

    def step(self) -> None:
        """One token for each of the first `max_num_seqs` requests; the others wait."""
        for running in self._running[: self._most]:
            try:
                step = self._advance(running)
            except Exception as error:
                self._running.remove(running)
                running.answer.put_nowait(error)
                continue
            running.answer.put_nowait(step)
            if step.finish:
                self._running.remove(running)

    async def answer(self, running: Running) -> AsyncIterator[Token]:
        """The answer to what `begin` returned, token by token; closing the iterator ends it.

        Raises ExpertLost when the expert is unloaded meanwhile.
        """
        if self._gone:
            raise self._unloaded()
        self._running.append(running)
        if arrival := ARRIVAL.get():
            arrival.over()
        self._stepper.wake()
        try:
            while True:
                step = await running.answer.get()
                if isinstance(step, Exception):
                    raise step
                yield step
                if step.finish:
                    return
        finally:
            if running in self._running:
                self._running.remove(running)

    def begin(self, ask: Ask) -> Running:
        """Tokenize a request without running it. Raises RequestError if it cannot be answered."""
        try:
            role = self.model.role(ask.role)
            session = Session(self.model, role, ask.prompt)
        except KeyError:
            raise RequestError(
                f"This expert has no role `{ask.role}`.", param="coterie.role"
            ) from None
        except (ConfigError, TemplateError) as error:
            raise RequestError(str(error), param="messages") from error
        room = self.model.context - session.longest()
        wanted = room if ask.max_tokens is None else ask.max_tokens
        if room < 1 or wanted > room:
            raise RequestError(
                f"The maximum context length is {self.model.context} tokens, that of the smallest"
                f" member; the prompt has at least {session.longest()} input tokens, and {wanted}"
                " output tokens were requested.",
                param="messages" if room < 1 else "max_tokens",
            )
        prompt = session.prompt
        sampler = Sampler(ask.sampling, prompt, frozenset({self._end}))
        return Running(session, sampler, ask, wanted, Stops(ask.stop))

    def _advance(self, running: Running) -> Token:
        session = running.session
        log_probs = session.predict()
        token = running.sampler.pick(log_probs)
        running.left -= 1
        if token == self._end and not running.ask.ignore_eos:
            return Token(token, running.stops.rest(), log_probs, session.attention, "stop")
        text, stopped = running.stops.add(session.say(token))
        finish = "stop" if stopped else None
        if not stopped and (running.left < 1 or session.longest() >= self.model.context):
            text, finish = text + running.stops.rest(), "length"
        return Token(token, text, log_probs, session.attention, finish)
