"""Whether a slot answers: found out in seconds, where Ray takes up to a minute.

The question is a TCP connection to the slot's port. The kernel of its machine confirms it, however
busy the process is; it refuses it where that has ended, and a machine that is cut off, or has no
power, says nothing. So an engine that computes for a minute is no dead one, and a dead one is known
soon.
"""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

Answers = Callable[[str, float], Awaitable[bool]]
"""(URL, seconds) -> whether there was an answer from there within them."""


async def answers(url: str, within_s: float) -> bool:
    """Whether a connection is confirmed."""
    place = urlsplit(url)
    host, port = place.hostname or "", place.port or 80
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as made:
        made.setblocking(False)
        try:
            async with asyncio.timeout(within_s):
                await asyncio.get_running_loop().sock_connect(made, (host, port))
        except TimeoutError:
            return _is_connected(made)
        except OSError:
            return False
    return True


def _is_connected(made: socket.socket) -> bool:
    """The kernel knows even where this process was too busy to look in time."""
    try:
        made.getpeername()
    except OSError:
        return False
    return True


class Reach:
    """Asks slots for signs of life."""

    def __init__(self, every_s: float, misses: int, ask: Answers) -> None:
        """A slot may take `every_s` to answer, and miss less than `misses` answers in a row."""
        self._every_s = every_s
        self._misses = misses
        self._ask = ask

    async def until_silent(self, url: str) -> None:
        """Return when too many answers in a row were missing."""
        while True:
            if not await self.answers(url):
                return
            await asyncio.sleep(self._every_s)

    async def until_back(self, url: str) -> None:
        """Return at the next answer."""
        while not await self._answer(url):
            pass

    async def answers(self, url: str) -> bool:
        """Whether it answers, when that is sure."""
        for _ in range(self._misses):
            if await self._answer(url):
                return True
        return False

    async def _answer(self, url: str) -> bool:
        """One question; one without an answer takes its whole time, however soon it fails."""
        began = time.monotonic()
        if await self._ask(url, self._every_s):
            return True
        await asyncio.sleep(began + self._every_s - time.monotonic())
        return False
