"""A batch of a service, over HTTP: made, followed to its end, fetched."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from experts.errors import ServiceError

NEXT_HEADER = "x-coterie-next"
UNAUTHORIZED, NOT_FOUND = 401, 404
ENDED = ("completed", "failed", "expired", "cancelled")
LOOKS_EVERY_S = 0.25
LOADS_EVERY_S = 1.0
"""Counting them asks every slot, which has other work."""
PATIENCE_S = 60.0
TIMEOUT_S = 120.0
BOUNDARY_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch is."""

    status: str
    total: int
    completed: int
    failed: int
    tokens: int
    seconds: float
    """Since it is followed."""
    done_before: int
    """Lines that were done by then."""
    loads: int | None
    """Of experts since then; None where the service tells nobody."""
    predicted: Mapping[str, Any] | None = None
    """What the service expects of the run; None until it knows, or where it is not ours."""

    def words(self) -> str:
        """In a line."""
        done = self.completed + self.failed
        parts = [f"{done:,} of {self.total:,} lines" if self.total else self.status]
        if self.failed:
            parts.append(f"{self.failed:,} without an answer")
        if self.loads is not None:
            parts.append("1 load" if self.loads == 1 else f"{self.loads} loads")
        fresh = done - self.done_before
        if self.seconds > 0 and fresh > 0:
            parts.append(f"{self.tokens / self.seconds:,.0f} tokens/s")
            parts.append(f"{_duration((self.total - done) * self.seconds / fresh)} left")
        return ", ".join(parts)


class Gone(ServiceError):
    """The service knows nothing of it: asking again changes nothing."""


class RemoteBatch:
    """Calls of one service."""

    def __init__(
        self, url: str, api_key: str | None, say: Callable[[str], None] = lambda words: None
    ) -> None:
        """`say` gets words about a service that does not answer."""
        self._say = say
        base = url.rstrip("/").removesuffix("/v1")
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._base = base
        self._http = httpx.AsyncClient(
            base_url=base, headers=headers, timeout=TIMEOUT_S, trust_env=False
        )

    async def create(self, file: Path, endpoint: str) -> str:
        """The id of a new batch. Raises ServiceError."""
        with file.open("rb") as opened:
            sent = {"file": (file.name, opened, "application/jsonl")}
            uploaded = await self.call("POST", "/v1/files", data={"purpose": "batch"}, files=sent)
        body = {"input_file_id": uploaded["id"], "endpoint": endpoint, "completion_window": "24h"}
        return str((await self.call("POST", "/v1/batches", json=body))["id"])

    async def followed(
        self,
        identifier: str,
        show: Callable[[Progress], None],
        take: Callable[[bytes], None] | None = None,
    ) -> dict[str, Any]:
        """The batch, once it has ended; `take` gets lines of its answers as they come.

        A service that is away is waited for, up to a minute. Raises ServiceError, and Gone
        where the service does not know the batch.
        """
        started, loads = time.monotonic(), await self._loaded()
        now, counted = loads, started
        before: tuple[int, int] | None = None
        taken = 0
        while True:
            found, waited = await self._patiently(f"/v1/batches/{identifier}")
            if waited:  # What is measured begins again: it may be another process by now.
                started, loads, before = time.monotonic(), await self._loaded(), None
                now, counted = loads, started
            counts, tokens = found["request_counts"], found["usage"]["total_tokens"]
            before = before or (counts["completed"] + counts["failed"], tokens)
            if found["status"] in ENDED or time.monotonic() - counted >= LOADS_EVERY_S:
                now, counted = await self._loaded(), time.monotonic()
            progress = Progress(
                found["status"],
                counts["total"],
                counts["completed"],
                counts["failed"],
                tokens - before[1],
                time.monotonic() - started,
                before[0],
                now - loads if now is not None and loads is not None else None,
                (found.get("coterie") or {}).get("predicted"),
            )
            show(progress)
            if take is not None:
                taken = await self._taken(identifier, taken, take)
            if found["status"] in ENDED:
                return found
            await asyncio.sleep(LOOKS_EVERY_S)

    async def _taken(self, identifier: str, start: int, take: Callable[[bytes], None]) -> int:
        """Hand over what has come since, and say where to go on."""
        while True:
            try:
                answer = await self._http.get(
                    f"/v1/batches/{identifier}/answers", params={"after": start}
                )
            except httpx.HTTPError:
                return start  # The batch is looked at next, and patiently.
            following = int(answer.headers.get(NEXT_HEADER, start))
            if answer.status_code != 200 or following == start:
                return start
            take(answer.content)
            start = following

    async def fetch(self, identifier: str, path: Path) -> None:
        """Write a file of the service, all of it or nothing. Raises ServiceError."""
        unfinished = path.with_name(f".{path.name}.part")
        try:
            with unfinished.open("wb") as opened:
                async for piece in self._content(identifier):
                    opened.write(piece)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.aclose()

    async def _content(self, identifier: str) -> AsyncIterator[bytes]:
        try:
            async with self._http.stream("GET", f"/v1/files/{identifier}/content") as answer:
                if answer.status_code == NOT_FOUND:
                    raise Gone(f"{self._base} has no file {identifier}.")
                answer.raise_for_status()
                async for piece in answer.aiter_bytes(BOUNDARY_BYTES):
                    yield piece
        except httpx.HTTPError as error:
            raise ServiceError(f"{identifier} could not be fetched: {error}") from error

    async def _patiently(self, path: str) -> tuple[dict[str, Any], bool]:
        """What is there, and whether the service had to be waited for."""
        until, waited = time.monotonic() + PATIENCE_S, False
        while True:
            try:
                return await self.call("GET", path), waited
            except Gone:
                raise
            except ServiceError:
                if time.monotonic() > until:
                    raise
            if not waited:
                self._say(f"{self._base} does not answer: waiting up to {PATIENCE_S:.0f} s")
            waited = True
            await asyncio.sleep(LOOKS_EVERY_S)

    async def loads(self) -> dict[str, int]:
        """Engine -> its loads so far. Raises ServiceError."""
        pool = await self.call("GET", "/coterie/pool")
        return {name: int(entry["count"]) for name, entry in pool["loads"].items()}

    async def _loaded(self) -> int | None:
        try:
            return sum((await self.loads()).values())
        except (ServiceError, KeyError, TypeError):
            return None  # A service that is not ours, or a key that may not see it.

    async def call(self, method: str, path: str, **parts: Any) -> dict[str, Any]:
        """The JSON that the service answers. Raises ServiceError, and Gone for a 404."""
        try:
            answer = await self._http.request(method, path, **parts)
            tree = answer.json()
        except (httpx.TransportError, httpx.InvalidURL) as error:
            reason = (str(error) or type(error).__name__).rstrip(".")
            raise ServiceError(
                f"No service answers at {self._base}: {reason}.",
                hint="Start one with `coterie serve`, or leave --url out; a URL begins with"
                " http:// or https://.",
            ) from error
        except ValueError as error:
            raise ServiceError(f"{self._base}{path} does not answer with JSON.") from error
        if answer.status_code >= 400:
            said = tree.get("error") if isinstance(tree, dict) else None
            words = said.get("message") if isinstance(said, dict) else ""
            kind = Gone if answer.status_code == NOT_FOUND else ServiceError
            hint = "Name a key with --api-key." if answer.status_code == UNAUTHORIZED else ""
            raise kind(f"{self._base}{path} answered {answer.status_code}: {words}", hint=hint)
        return dict(tree)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
