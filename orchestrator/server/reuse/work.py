"""One request that runs apart from its client, and its response as far as there is one."""

import asyncio
from collections.abc import Callable, Iterable

from starlette.types import Message, Send

from experts.errors import CoterieError, InternalError
from orchestrator.server.errors import response_start, send_error
from orchestrator.server.reuse.ledger import Record

REPLAYED = "idempotency-replayed"
"""The header of a response that was made for an earlier request with the same key."""
_OF_ITS_TIME = "x-ratelimit-"
"""How headers begin that say how things were when the answer was given first."""
_OK = 200


class Work:
    """The response of one request, which its client and all retries read."""

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self.is_replay = False
        """Whether it is the response of a request that was over before."""
        self.refusal: CoterieError | None = None
        """Why there is none; told with each reader's own request id."""
        self.failed = False
        """Whether it went wrong though it looks whole: a stream that ended with an error."""
        self.fault: BaseException | None = None
        """What broke it."""
        self.task: asyncio.Task[None] | None = None
        self._status = 0
        self._headers: tuple[tuple[str, str], ...] = ()
        self._pieces: list[bytes] = []
        self._complete = self._over = False
        self._news = asyncio.Event()

    async def send(self, message: Message) -> None:
        """Take what the application sends."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = tuple(
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in message["headers"]
            )
        else:
            self._pieces.append(message.get("body", b""))
            self._complete = not message.get("more_body", False)
        self._wake()

    def replay(self, record: Record) -> None:
        """Take what was kept."""
        assert record.status is not None
        self.is_replay = self._complete = True
        self._status, self._headers = record.status, record.headers
        self._pieces.append(record.body)

    def end(self, fault: BaseException | None = None) -> None:
        """Nothing more comes; `fault` says why not, where it broke. Only the first call counts."""
        if self._over:
            return
        if not self._complete and self.refusal is None:
            fault = fault or InternalError("The answer ended early.")
            if not self._pieces and isinstance(fault, CoterieError):
                self.refusal = fault
            else:
                self.fault = fault
        self._over = True
        self._wake()

    @property
    def _is_whole(self) -> bool:
        return self._complete and self._status == _OK and not self.failed

    @property
    def runs_again(self) -> bool:
        """Whether it is over, and a retry runs again."""
        return self._over and not self.is_replay and not self._is_whole

    @property
    def record(self) -> Record | None:
        """What is kept of it; None of what is not whole, or has failed."""
        if not self._is_whole:
            return None
        lasting = tuple(one for one in self._headers if not one[0].startswith(_OF_ITS_TIME))
        return Record(self.fingerprint, self._status, lasting, b"".join(self._pieces))

    async def piece(self, number: int) -> bytes | None:
        """A piece, once it is there; None behind the last, and where there is no response."""
        while number >= len(self._pieces):
            if self._over:
                return None
            await self._news.wait()
        return self._pieces[number]

    def head(self, more: Iterable[tuple[str, str]] | None) -> Message:
        """The head of the response; with `more`, for another one than the first client."""
        if more is None:
            return response_start(self._status, dict(self._headers))
        lasting = [one for one in self._headers if not one[0].startswith(_OF_ITS_TIME)]
        return response_start(self._status, dict([*lasting, *more, (REPLAYED, "true")]))

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class Follower:
    """One client that gets the response of a request."""

    def __init__(
        self,
        work: Work,
        request_id: str,
        send: Send,
        more: Callable[[], Iterable[tuple[str, str]]],
    ) -> None:
        """`more` gives headers of its own, where it is not the first client."""
        self._work = work
        self._request_id = request_id
        self._send = send
        self._more = more
        self._sent = 0
        self._begun = False

    async def follow(self, *, again: bool) -> None:
        """Send the response as it comes; may be called once more where it was cancelled.

        Raises what broke the response.
        """
        work = self._work
        while (piece := await work.piece(self._sent)) is not None:
            if not self._begun:
                self._begun = True
                await self._send(work.head(self._more() if again or work.is_replay else None))
            self._sent += 1
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        if work.refusal is not None:
            await send_error(work.refusal, self._request_id, self._send)
        elif work.fault is not None:
            raise work.fault
        else:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
