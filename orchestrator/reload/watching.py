"""Looks whether the configuration's file has changed, and reloads once it stays as it is."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from experts.errors import CoterieError

log = logging.getLogger("coterie.reload")


class Settled:
    """Says when a text that is looked at again and again has changed and then stayed. Pure."""

    def __init__(self, first: str) -> None:
        self._known = self._last = first

    def look(self, now: str) -> bool:
        """Whether it is another one than was known, for the second time in a row."""
        stayed, self._last = now == self._last, now
        if not stayed or now == self._known:
            return False
        self._known = now
        return True


async def watch(
    stamp: Callable[[], str],
    reload: Callable[[], Awaitable[object]],
    pause: Callable[[], Awaitable[object]],
    first: str,
) -> None:
    """Reload whenever `stamp` has changed, with a `pause` between two looks; never returns.

    `first` is what it was for the version that runs.

    An editor writes a file in several steps: only when two looks find the same is it read. A file
    with mistakes is not read again before it changes.
    """
    settled = Settled(first)
    while True:
        await pause()
        try:
            if settled.look(await asyncio.to_thread(stamp)):
                await reload()
        except CoterieError:
            continue  # Told, and remembered, by whoever reloads.
        except Exception:
            log.exception("looking at the configuration's file failed")
