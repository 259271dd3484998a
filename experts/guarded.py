"""An engine from outside the repository, whose every mistake becomes its own expert's error."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

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
            raise BadOutput(
                f"Expert {self.name} returned a {type(answer).__name__}, not an Answer.",
                expert=self.name,
            )
        pieces = self._pieces(answer)
        return Answer(answer.content_type, pieces, answer.aclose, answer.slot_wait_ms)

    async def _pieces(self, answer: Answer) -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(answer.pieces) as pieces:
                async for piece in pieces:
                    yield piece
        except CoterieError:
            raise
        except Exception as error:
            raise self._fault(error) from error

    def _fault(self, error: Exception) -> BadOutput:
        LOGGER.error("expert %s failed", self.name, exc_info=error)
        return BadOutput(f"Expert {self.name} failed ({type(error).__name__}).", expert=self.name)
