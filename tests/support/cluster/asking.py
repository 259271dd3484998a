"""Clients that ask without a pause, from a node of a cluster, and note what became of it."""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import aiohttp
from nodes import Nodes

PATIENCE_S = 120.0
TOKENS = 64


@dataclass(frozen=True)
class Asked:
    """One request, and how it ended: `answered`, `error event`, or anything that is wrong."""

    expert: str
    began: float
    ended: float
    how: str
    slot: str = ""


@dataclass
class Clients:
    """Ask until they are told to stop; each asks the next gateway for the next expert."""

    nodes: Nodes
    urls: list[str]
    """Gateways; those that are taken out are asked no more."""
    experts: Sequence[str]
    asked: list[Asked] = field(default_factory=list)
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)
    _over: bool = False

    async def __aenter__(self) -> "Clients":
        connector = aiohttp.TCPConnector(
            socket_factory=lambda address: self.nodes.socket_at("head", address), limit=0
        )
        timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
        self.http = aiohttp.ClientSession(connector=connector, timeout=timeout)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.http.close()

    def begin(self, whole: int, streams: int) -> None:
        """So many clients ask for whole answers, and so many for streams."""
        self._over = False
        kinds = [False] * whole + [True] * streams
        self._tasks = [asyncio.create_task(self._client(n, s)) for n, s in enumerate(kinds)]

    async def end(self) -> list[Asked]:
        """Let what has begun end; all that was asked since the beginning."""
        self._over = True
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*self._tasks)
        found, self.asked = self.asked, []
        return found

    async def one(self, url: str, model: str) -> Asked:
        """One whole answer."""
        return await self._ask(url, model, streams=False)

    async def get(self, url: str) -> Any:
        """A JSON page, whatever its status."""
        async with self.http.get(url) as answer:
            return await answer.json()

    async def _client(self, number: int, streams: bool) -> None:
        turns = self._turns(number)
        while not self._over:
            expert = next(turns)
            url = self.urls[number % len(self.urls)]
            self.asked.append(await self._ask(url, expert, streams))

    def _turns(self, number: int) -> Iterator[str]:
        while True:
            number += 1
            yield self.experts[number % len(self.experts)]

    async def _ask(self, url: str, model: str, streams: bool) -> Asked:
        body = {
            "model": model,
            "messages": [{"role": "user", "content": "What is 2 + 3?"}],
            "temperature": 0,
            "max_tokens": TOKENS,
            "min_tokens": TOKENS,
            "stream": streams,
        }
        began, slot = time.monotonic(), ""
        try:
            async with self.http.post(f"{url}/v1/chat/completions", json=body) as answer:
                text = await answer.text()
                how = _how(answer.status, text, streams)
        except aiohttp.ClientError as error:
            how = f"broken: {error!r}"
        if how == "answered" and not streams:
            slot = json.loads(text)["coterie"]["slot"]
        return Asked(model, began, time.monotonic(), how, slot)


def _how(status: int, text: str, streams: bool) -> str:
    if status != 200:
        return f"{status}: {text}"
    if not streams:
        return "answered" if json.loads(text)["choices"][0]["finish_reason"] else f"cut: {text}"
    if '"error"' in text:
        return "error event"
    return "answered" if text.rstrip().endswith("data: [DONE]") else f"torn: {text[-300:]}"
