"""An engine from outside the repository, whose every mistake becomes its own expert's error."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from experts.engine import Answer, Engine
from experts.errors import BadOutput, CoterieError
from experts.types import Request

LOGGER = logging.getLogger("coterie.experts")


class GuardedEngine:
    """Passes everything on; what the engine raises, or returns wrongly, is BadOutput."""

    def __init__(self, engine: Engine) -> None:
        self.name = engine.name
        self._engine = engine

    async def open(self, request: Request, asked_model: str) -> Answer:
        """The engine's answer. Raises ExpertError."""
        try:
            answer = await self._engine.open(request, asked_model)
        except CoterieError:
            raise
        except Exception as error:
            raise self._fault(error) from error
        if not isinstance(answer, Answer):
            raise self._wrong(f"returned a {type(answer).__name__}, not an Answer")
        if not isinstance(answer.content_type, str):
            raise self._wrong("returned an Answer whose content type is no text")
        return replace(answer, pieces=self._pieces(answer), on_close=partial(self._close, answer))

    async def _pieces(self, answer: Answer) -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(answer.pieces) as pieces:
                async for piece in pieces:
                    if not isinstance(piece, bytes):
                        raise self._wrong(f"sent a {type(piece).__name__}, not bytes")
                    yield piece
        except CoterieError:
            raise
        except Exception as error:
            raise self._fault(error) from error

    async def _close(self, answer: Answer) -> None:
        try:
            await answer.aclose()
        except Exception:  # It has answered: what it leaves behind is its own.
            LOGGER.exception("expert %s failed to close", self.name)

    def _wrong(self, what: str) -> BadOutput:
        return BadOutput(f"Expert {self.name} {what}.", expert=self.name)

    def _fault(self, error: Exception) -> BadOutput:
        LOGGER.error("expert %s failed", self.name, exc_info=error)
        return BadOutput(f"Expert {self.name} failed ({type(error).__name__}).", expert=self.name)
