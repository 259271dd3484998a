"""What the workers of one service ask each other: metrics, requests that one answered, to drain.

Over sockets in a folder that only their user can enter, since all of them share one port.
"""

import asyncio
import json
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

ANSWER_S = 2.0
"""A worker that takes longer is left out."""
Answer = Callable[[dict[str, Any]], Awaitable[bytes]]

logger = logging.getLogger("coterie.service")


class Siblings:
    """The workers, of which this is one."""

    def __init__(self, folder: Path, number: int) -> None:
        """Each has a socket in the folder, under its number."""
        self.number = number
        self._folder = folder
        self._drained = folder / "drained"
        self._server: asyncio.Server | None = None

    async def start(self, answer: Answer) -> None:
        """Answer the others from now on."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                writer.write(await answer(json.loads(await reader.readline())))
                await writer.drain()
            except (OSError, ValueError) as error:  # It has left, or did not ask to the end.
                reason = str(error) or type(error).__name__
                logger.warning("another worker was not answered: %s", reason)
            except Exception:
                logger.exception("another worker was not answered")
            finally:
                writer.close()

        path = self._path(self.number)
        path.unlink(missing_ok=True)  # Of a worker of this number that died.
        self._server = await asyncio.start_unix_server(serve, path)

    def reload(self) -> None:
        """Let all of them reload: their parent hands on the signal."""
        os.kill(os.getppid(), signal.SIGHUP)

    @property
    def drained(self) -> bool:
        """Whether the service was taken out of its load balancer; workers that come later ask."""
        return self._drained.exists()

    @drained.setter
    def drained(self, out: bool) -> None:
        if out:
            self._drained.touch()
        else:
            self._drained.unlink(missing_ok=True)

    async def stop(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.close()
            self._path(self.number).unlink(missing_ok=True)

    async def ask(self, question: Mapping[str, Any]) -> Mapping[str, bytes]:
        """What all others answer, by their numbers; without those that are away or too slow."""
        numbers = [path.stem for path in self._folder.glob("*.sock")]
        others = [number for number in numbers if number != str(self.number)]
        found = await asyncio.gather(*(self._ask(number, question) for number in others))
        return {n: told for n, told in zip(others, found, strict=True) if told is not None}

    async def _ask(self, number: str, question: Mapping[str, Any]) -> bytes | None:
        try:
            async with asyncio.timeout(ANSWER_S):
                reader, writer = await asyncio.open_unix_connection(self._path(number))
                try:
                    writer.write(json.dumps(question).encode() + b"\n")
                    return await reader.read(-1)
                finally:
                    writer.close()
        except TimeoutError:
            logger.warning("worker %s does not answer within %g s: left out", number, ANSWER_S)
        except OSError:
            pass  # It is away, or not there yet.
        return None

    def _path(self, number: int | str) -> Path:
        return self._folder / f"{number}.sock"
