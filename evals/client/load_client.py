"""A load generator in a process of its own: one job per line of stdin, one result per line out.

It costs a few microseconds per piece of a stream, so that on few cores it does not slow down
what it measures: it knows just enough HTTP/1.1, takes the number of tokens from the usage at the
end of an answer, and parses no JSON.
A job is {"targets": [{"url", "bodies": [...]}], "in_flight", "requests", "header", "seconds",
"ramp_s", "gaps"}. Request number i goes to target i modulo their number, so two targets are
measured in alternation. None is sent later than `seconds`; those that are in flight at a time begin
within `ramp_s`; with `gaps`, the times between the pieces of streams are counted.
"""

import asyncio
import json
import math
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import takewhile
from typing import Any, cast
from urllib.parse import urlsplit

import uvloop

SILENCE_S = 120.0
_TOKENS = re.compile(rb'"completion_tokens": ?(\d+)')
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
GAP_STEPS = 10_000
"""Gaps are counted in steps of so many to a second."""
# Room for the last events of a stream, of which one has the usage.
_TAIL_BYTES = 4096
_LAST_CHUNK = b"\r\n0\r\n\r\n"


@dataclass(slots=True)
class Exchange:
    """One request's outcome; times count from its sending.

    `first_s` is that of the first event, or of the whole body where nothing streams.
    """

    target: int
    first_s: float = 0.0
    total_s: float = 0.0
    tokens: int = 0
    header: str | None = None
    error: str | None = None


@dataclass(slots=True)
class Target:
    """Where requests go, and the bytes of each request."""

    host: str
    port: int
    requests: list[bytes] = field(default_factory=list)

    @classmethod
    def parse(cls, job: Mapping[str, Any]) -> "Target":
        """From a job's {"url", "bodies"}."""
        url = urlsplit(job["url"])
        target = cls(url.hostname or "127.0.0.1", url.port or 80)
        for text in job["bodies"]:
            body = text.encode()
            head = (
                f"POST {url.path} HTTP/1.1\r\nhost: {url.netloc}\r\n"
                f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            )
            target.requests.append(head.encode() + body)
        return target


class Connection(asyncio.Protocol):
    """One kept-alive connection with at most one request on its way."""

    def __init__(self, header: str | None, gaps: Counter[int] | None) -> None:
        self._gaps = gaps
        self._last = 0.0
        self._header = header and re.compile(
            rb"\r\n" + re.escape(header.encode()) + rb": *([^\r]*)", re.IGNORECASE
        )
        self._transport: asyncio.Transport | None = None
        self._done: asyncio.Future[None] | None = None
        self._exchange = Exchange(0)
        self._sent = 0.0
        self._head = b""
        self._length: int | None = None
        self._received = 0
        self._tail = b""

    @property
    def open(self) -> bool:
        """Whether another request can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, request: bytes, target: int) -> Exchange:
        """Send a request and wait for the end of its answer; failures are in `error`."""
        assert self._transport is not None
        self._exchange, self._head, self._tail = Exchange(target), b"", b""
        self._length, self._received = None, 0
        self._done = asyncio.get_running_loop().create_future()
        self._sent = time.perf_counter()
        self._transport.write(request)
        try:
            async with asyncio.timeout(SILENCE_S):
                await self._done
        except TimeoutError:
            self._exchange.error = f"no complete answer within {SILENCE_S:.0f} s"
            self.close()
        return self._exchange

    def close(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop has a transport class of its own, so that there is no class to check for.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._head[-4:] != b"\r\n\r\n":
            self._head += data
            end = self._head.find(b"\r\n\r\n") + 4
            if end < 4:
                return
            self._head, data = self._head[:end], self._head[end:]
            self._read_head()
        if not data:
            return
        exchange = self._exchange
        if not self._received:
            exchange.first_s = time.perf_counter() - self._sent
            self._last = self._sent + exchange.first_s
        elif self._gaps is not None:
            now = time.perf_counter()
            self._gaps[int(GAP_STEPS * (now - self._last))] += 1
            self._last = now
        self._received += len(data)
        self._tail = (self._tail + data)[-_TAIL_BYTES:]
        if self._complete():
            self._finish()

    def connection_lost(self, error: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            self._exchange.error = f"the connection closed in mid-answer ({error or 'no reason'})"
            self._done.set_result(None)

    def _read_head(self) -> None:
        length = _LENGTH.search(self._head)
        self._length = int(length.group(1)) if length else None
        if self._header and (found := self._header.search(self._head)):
            self._exchange.header = found.group(1).decode("latin-1")

    def _complete(self) -> bool:
        if self._length is not None:
            return self._received >= self._length
        return self._tail.endswith(_LAST_CHUNK)

    def _finish(self) -> None:
        exchange = self._exchange
        exchange.total_s = time.perf_counter() - self._sent
        tokens = _TOKENS.findall(self._tail)
        exchange.tokens = int(tokens[-1]) if tokens else 0
        if not self._head.startswith(b"HTTP/1.1 200") or not tokens:
            words = self._head.split(b"\r\n", 1)[0] + b" " + self._tail[-300:]
            exchange.error = words.decode(errors="replace")
        if self._done is not None and not self._done.done():
            self._done.set_result(None)


async def run_job(job: Mapping[str, Any]) -> dict[str, Any]:
    """Send `requests` requests with `in_flight` at a time; returns seconds and every exchange.

    The clock starts when every connection is open. Where gaps are wanted, `gaps` has how many there
    were by their length, in steps of a ten-thousandth of a second.
    """
    targets = [Target.parse(target) for target in job["targets"]]
    count = min(job["in_flight"], job["requests"])
    gaps: Counter[int] | None = Counter() if job.get("gaps") else None
    wanted = _Wanted(job.get("header"), gaps)
    lanes = [[await _connect(target, wanted) for target in targets] for _ in range(count)]
    started = time.perf_counter()
    numbers = _numbers(job["requests"], started + job.get("seconds", math.inf))
    step_s = job.get("ramp_s", 0.0) / len(lanes)
    works = (_work(lane, targets, numbers, wanted, n * step_s) for n, lane in enumerate(lanes))
    results = await asyncio.gather(*works)
    seconds = time.perf_counter() - started
    for connection in (connection for lane in lanes for connection in lane):
        connection.close()
    exchanges = [exchange for result in results for exchange in result]
    told = {"seconds": seconds, "exchanges": [asdict(exchange) for exchange in exchanges]}
    return told if gaps is None else told | {"gaps": gaps}


def _numbers(count: int, ends_at: float) -> Iterator[int]:
    """The numbers of the requests that are still sent."""
    return takewhile(lambda _: time.perf_counter() < ends_at, range(count))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is noted of answers, beside their times."""

    header: str | None
    gaps: Counter[int] | None


async def _work(
    lane: list[Connection],
    targets: Sequence[Target],
    numbers: Iterator[int],
    wanted: _Wanted,
    after_s: float,
) -> list[Exchange]:
    """One place of those in flight: the next request leaves when the last one is answered."""
    exchanges = []
    await asyncio.sleep(after_s)
    for number in numbers:
        which = number % len(targets)
        target = targets[which]
        if not lane[which].open:
            lane[which] = await _connect(target, wanted)
        request = target.requests[number // len(targets) % len(target.requests)]
        exchanges.append(await lane[which].ask(request, which))
    return exchanges


async def _connect(target: Target, wanted: _Wanted) -> Connection:
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(
        lambda: Connection(wanted.header, wanted.gaps), target.host, target.port
    )
    return connection


async def serve(lines: Iterator[str]) -> None:
    """Run the jobs that arrive, one after the other, until stdin ends."""
    for line in lines:
        try:
            result = await run_job(json.loads(line))
        except OSError as error:
            result = {"error": str(error)}
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us.
    uvloop.run(serve(iter(sys.stdin)))
