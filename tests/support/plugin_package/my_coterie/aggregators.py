"""An aggregator that takes the longest answer."""

from collections.abc import AsyncIterator
from pathlib import Path

from pydantic import Field

from aggregators.base import AggregatorConfig, Ask, Panel
from experts.types import Chunk, Request


class Longest:
    """Asks one expert after the other; the longest answer stands."""

    class Config(AggregatorConfig):
        """The keys of the aggregator."""

        at_most: int = Field(3, ge=1, description="Experts that are asked.")
        notes: Path | None = Field(None, description="A file, for the sake of its path.")

    def __init__(self, config: Config) -> None:
        self.config = config

    async def aggregate(self, request: Request, panel: Panel, ask: Ask) -> AsyncIterator[Chunk]:
        """The longest answer, in one piece."""
        said = [
            "".join([chunk.text async for chunk in ask(expert, request)])
            for expert in panel.experts[: self.config.at_most]
        ]
        yield Chunk(max(said, key=len), "stop")
