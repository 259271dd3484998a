"""The slot's HTTP front: one application per resident expert, each under /e/<expert>/."""

import asyncio
import hmac
import json
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Any

from experts.openai import ASKED_MODEL_HEADER, SLOT_WAIT_HEADER

ASKED_MODEL: ContextVar[str | None] = ContextVar("asked_model", default=None)
"""The model name that the client of the current request used."""

ABORT_TIMEOUT_S = 5.0
"""Longest wait for aborted requests to end."""

Worked = Callable[[], float]
"""The seconds that an engine has worked since it was built."""

_HEADER = ASKED_MODEL_HEADER.encode()


class Dispatcher:
    """An ASGI application: /e/<expert>/rest goes to the expert's application as /rest."""

    def __init__(
        self,
        around_post: Callable[[], AbstractContextManager[Any]] = nullcontext,
        metrics: Callable[[], Awaitable[bytes]] | None = None,
    ) -> None:
        """`around_post` is entered for each POST; `metrics` gives the page /metrics."""
        self._metrics = metrics
        self._wanted: bytes | None = None
        self._around_post = around_post
        self._apps: dict[str, tuple[Any, Worked | None]] = {}
        self._under_way: dict[str, set[asyncio.Future[Any]]] = {}
        self._left: dict[str, asyncio.Future[None]] = {}
        """Expert -> what is done as soon as it must leave."""

    def protect(self, token: str) -> None:
        """From now on, requests must bring the token."""
        self._wanted = f"Bearer {token}".encode()

    def add(self, experts: Iterable[str], app: Any, worked: Worked | None = None) -> None:
        """Serve these from now on; answers tell the wait for others where `worked` is known."""
        for expert in experts:
            self._apps[expert] = app, worked

    async def remove(self, experts: Iterable[str]) -> None:
        """Serve them no longer, and abort what is under way: its engine goes."""
        apps: set[asyncio.Future[Any]] = set()
        for expert in experts:
            self._apps.pop(expert, None)
            apps |= self._under_way.pop(expert, set())
            if (left := self._left.pop(expert, None)) is not None:
                left.set_result(None)
        for app in apps:
            app.cancel()
        if apps:
            await asyncio.wait(apps, timeout=ABORT_TIMEOUT_S)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        headers = dict(scope["headers"])
        if not self._may_enter(headers):
            await _answer(send, 401, "unauthorized", "This slot only answers its own gateway.")
            return
        if scope["path"] == "/metrics" and self._metrics is not None:
            await _send(send, 200, b"text/plain; version=0.0.4", await self._metrics())
            return
        _, prefix, expert, rest = [*scope["path"].split("/", 3), "", "", ""][:4]
        app, worked = self._apps.get(expert, (None, None)) if prefix == "e" else (None, None)
        if app is None:
            await _answer(send, 503, "not_resident", f"Expert {expert} is not resident.")
            return
        asked = headers.get(_HEADER)
        ASKED_MODEL.set(asked.decode("latin-1") if asked else None)
        path = "/" + rest
        scope = {**scope, "path": path, "raw_path": path.encode()}
        telling = _TellingWait(send, worked) if worked is not None else send
        await self._run(expert, scope["method"], app(scope, receive, telling), send)

    def _may_enter(self, headers: dict[bytes, bytes]) -> bool:
        if self._wanted is None:
            return True
        return hmac.compare_digest(headers.get(b"authorization", b""), self._wanted)

    async def _run(self, expert: str, method: str, answering: Any, send: Any) -> None:
        """Let the application answer, until that is over or the expert leaves."""
        left = self._left.setdefault(expert, asyncio.get_running_loop().create_future())
        with self._around_post() if method == "POST" else nullcontext():
            # Only now: a task sees the context that it was made in.
            app = asyncio.ensure_future(answering)
            self._under_way.setdefault(expert, set()).add(app)
            try:
                await asyncio.wait({app, left}, return_when=asyncio.FIRST_COMPLETED)
                if app.done() and not app.cancelled():
                    app.result()  # Raises what the application has raised.
                    return
            finally:
                app.cancel()
                self._under_way.get(expert, set()).discard(app)
        # Not after the application: it may take its time to end. Where the answer has begun, the
        # server refuses this and closes the connection, so that the gateway knows.
        await _answer(send, 503, "aborted", f"Expert {expert} had to leave its slot.")


class _TellingWait:
    """Sends the head of an answer with its first bytes, and in it how long others held it up.

    That is the time since the request came in, less what its own engine has worked meanwhile:
    steps and loads of other engines of the slot, which no queue of the gateway sees.
    """

    def __init__(self, send: Any, worked: Worked) -> None:
        self._send = send
        self._worked = worked
        self._began, self._had_worked = time.perf_counter(), worked()
        self._head: dict[str, Any] | None = None

    async def __call__(self, event: dict[str, Any]) -> None:
        """One event of ASGI."""
        if event["type"] == "http.response.start":
            self._head = event
            return
        if (head := self._head) is not None:
            self._head = None
            headers = [*head["headers"], (SLOT_WAIT_HEADER.encode(), self._wait_ms())]
            await self._send({**head, "headers": headers})
        await self._send(event)

    def _wait_ms(self) -> bytes:
        worked_s = self._worked() - self._had_worked
        wait_s = max(time.perf_counter() - self._began - worked_s, 0.0)
        return f"{1000 * wait_s:.2f}".encode()


async def _answer(send: Any, status: int, code: str, message: str) -> None:
    body = json.dumps({"error": {"message": message, "code": code}}).encode()
    await _send(send, status, b"application/json", body)


async def _send(send: Any, status: int, kind: bytes, body: bytes) -> None:
    headers = [(b"content-type", kind)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
