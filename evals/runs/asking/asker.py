"""Asks what a run needs: the cache first, each distinct call once, grouped by expert."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from aggregators.base import with_logprobs
from evals.runs.asking.cache import AnswerCache, NewAnswer
from evals.runs.asking.keys import call_key
from evals.runs.asking.line import Line
from evals.runs.asking.wire import Busy, Reply
from evals.runs.record import Tokens
from experts.errors import ExpertError, ExpertLost
from experts.types import Request

Post = Callable[[str, Request], Awaitable[Reply]]
LONGEST_BACKOFF_S = 30.0


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a call is tried again that found no room, or whose connection broke."""

    most: int = 4
    first_s: float = 0.5
    """The first pause; each is twice the one before, up to half a minute."""

    def pause_s(self, number: int, asked_s: float) -> float:
        """Before try `number` + 1, of which the service may have said when it makes sense."""
        return min(LONGEST_BACKOFF_S, max(self.first_s * 2.0**number, asked_s))


@dataclass(eq=False, slots=True)
class _Job:
    """A distinct call, and who waits for it."""

    key: bytes
    expert: str
    request: Request
    future: "asyncio.Future[Reply]"
    waiters: int = 0


@dataclass(slots=True)
class Counts:
    """What has happened so far in this session."""

    answered: Counter[str] = field(default_factory=Counter)
    """Expert -> answers over the wire."""
    cached: set[bytes] = field(default_factory=set)
    """Calls whose answers another run had got."""


class Asker:
    """Sends calls through `post`; whoever needs an answer that is on its way waits for it."""

    def __init__(
        self,
        post: Post,
        cache: AnswerCache,
        line: Line,
        versions: Mapping[str, str],
        run: str,
        clock: Callable[[], float],
        retries: Retries,
        fuller: Collection[str] = (),
    ) -> None:
        """`versions` tells the experts' weights apart; `clock` has the seconds of the run `run`.

        `fuller` are experts that are always asked for log-probabilities, since some call will be.
        """
        self._post = post
        self._cache = cache
        self._line = line
        self._versions = versions
        self._run = run
        self._clock = clock
        self._retries = retries
        self._fuller = fuller
        self._jobs: dict[bytes, _Job] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._woken = self._ended = False
        self.counts = Counts()

    def key(self, expert: str, request: Request, repeat: int = 0) -> bytes:
        """The call's key in the cache."""
        return call_key(self._versions[expert], request, repeat)

    async def ask(self, expert: str, request: Request, repeat: int = 0) -> Reply:
        """The answer to a call. Raises ExpertError; ServiceError where it cannot be kept.

        Whoever is cancelled takes the call back, unless it is under way or others wait for it.
        """
        job = self._jobs.get(self.key(expert, request, repeat))
        if job is None:
            stored = self._stored(expert, request, repeat)
            if stored is not None:
                return stored
            job = self._begin(expert, request, repeat)
        job.waiters += 1
        try:
            await asyncio.wait([job.future])
            return job.future.result()
        finally:
            job.waiters -= 1
            unwanted = not job.waiters and self._jobs.get(job.key) is job
            if unwanted and self._line.drop(expert, job.key):
                del self._jobs[job.key]

    def _stored(self, expert: str, request: Request, repeat: int) -> Reply | None:
        """What the cache has; an answer that tells more, its log-probabilities, serves as well."""
        for wanted in (request, *_fuller(request)):
            key = self.key(expert, wanted, repeat)
            if (stored := self._cache.get(key)) is not None:
                if stored.run != self._run:
                    self.counts.cached.add(key)
                return Reply(stored.response, stored.seconds)
        return None

    def _begin(self, expert: str, request: Request, repeat: int) -> _Job:
        """Let the call wait; one that tells more takes the place of one that tells less."""
        for wanted in _fuller(request):
            if (fuller := self._jobs.get(self.key(expert, wanted, repeat))) is not None:
                return fuller
        if expert in self._fuller and "logprobs" not in request.body:
            request = with_logprobs(request)
        key = self.key(expert, request, repeat)
        plain = self.key(expert, _plain(request), repeat)
        job = self._jobs.get(plain)
        if job is not None and self._line.drop(expert, plain):
            del self._jobs[plain]
            job.key, job.request = key, request
        else:
            job = _Job(key, expert, request, _future())
        self._jobs[key] = job
        self._line.put(expert, key)
        self._wake()
        return job

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    def _wake(self) -> None:
        """Send soon: whoever else has calls now is heard before the first expert is chosen."""
        if not self._woken:
            self._woken = True
            asyncio.get_running_loop().call_soon(self._send_more)

    def _send_more(self) -> None:
        self._woken = False
        while not self._ended and (key := self._line.take()) is not None:
            assert isinstance(key, bytes)
            task = asyncio.create_task(self._send(self._jobs[key]))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, job: _Job) -> None:
        try:
            reply = await self._tried(job)
            self.counts.answered[job.expert] += 1
            job.future.set_result(self._kept(job, reply))
        except asyncio.CancelledError:
            job.future.cancel()
            raise
        except Exception as error:  # Whatever it is, those who wait must hear of it.
            # No fault of one call, such as a full disk: the others would fail as well.
            self._ended = self._ended or not isinstance(error, ExpertError)
            job.future.set_exception(error)
        finally:
            del self._jobs[job.key]
            self._line.done(job.expert)
            self._wake()

    async def _tried(self, job: _Job) -> Reply:
        for number in range(self._retries.most + 1):
            try:
                return await self._post(job.expert, job.request)
            except (ExpertLost, Busy) as error:
                if number == self._retries.most:
                    raise
                asked_s = error.after_s if isinstance(error, Busy) else 0.0
                await asyncio.sleep(self._retries.pause_s(number, asked_s))
        raise AssertionError("the last try returns or raises")

    def _kept(self, job: _Job, reply: Reply) -> Reply:
        new = NewAnswer(
            job.key,
            self._versions[job.expert],
            job.expert,
            reply.response,
            reply.seconds,
            tokens_of(reply.response),
            self._run,
            self._clock(),
        )
        stored = self._cache.put(new)
        return Reply(stored.response, stored.seconds)


def tokens_of(response: Mapping[str, Any]) -> Tokens:
    """What a response says of its tokens."""
    usage = response.get("usage") or {}
    return Tokens(
        prompt=usage.get("prompt_tokens") or 0, completion=usage.get("completion_tokens") or 0
    )


def _fuller(request: Request) -> tuple[Request, ...]:
    """The same request with log-probabilities, where it asks for none."""
    return () if "logprobs" in request.body else (with_logprobs(request),)


def _plain(request: Request) -> Request:
    body = {key: value for key, value in request.body.items() if key != "logprobs"}
    return replace(request, body=body)


def _future() -> "asyncio.Future[Reply]":
    future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
    # An error that nobody waits for any longer is no news.
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future
