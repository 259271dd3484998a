"""The configuration keys that all fitted routers share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from routers.base import RouterConfig
from routers.encoders.choice import Choice
from routers.encoders.long_texts import MOST_TOKENS
from routers.fitted.coverage import CoverageConfig
from routers.reading import EARLIER_TURNS


class FittedConfig(RouterConfig):
    """The keys that all fitted routers share."""

    outcomes: Path | None = Field(
        None, description="The outcome table that `coterie profile` wrote."
    )
    tasks: tuple[str, ...] = Field(
        (), description="Fit to the outcomes of these tasks only. Default: all of the table."
    )
    artifact: Path | None = Field(
        None,
        description="A file that `coterie router fit` wrote from `outcomes`; without it the router"
        " is fitted when the service starts.",
    )
    encoder: Choice = Field(
        None,
        description="What embeds the questions: the name of an expert with `task: embed`, or a"
        " mapping of `model`; null: all-MiniLM-L6-v2, which comes with Coterie.",
    )
    trust: float | None = Field(
        None,
        ge=0,
        le=1,
        description="How far a prediction may move away from an expert's overall mean: 1 all the"
        " way, 0 not at all. By default as far as it pays on held-out questions.",
    )
    earlier_turns: int = Field(
        EARLIER_TURNS,
        ge=0,
        description="User turns before the last one that are read at most, where the last one says"
        ' little by itself ("And 5?"); 0: the last one only.',
    )
    long_text_tokens: int = Field(
        MOST_TOKENS,
        ge=1,
        description="Tokens that are read at most of a text that is too long for the encoder to"
        " read at once; beyond that its middle is not read, and the explanation says so.",
    )
    coverage: CoverageConfig | None = Field(
        None, description="What to do with requests that are unlike all training questions."
    )

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if self.outcomes is None and self.artifact is None:
            raise ValueError("one of the keys `outcomes` and `artifact` is required")
        return self

    def problems(self, experts: Sequence[str]) -> tuple[str, ...]:
        """The general expert must be in the pool."""
        general = self.coverage.general if self.coverage else None
        if general is None or general in experts:
            return ()
        known = ", ".join(experts)
        return (f"coverage.general: no expert is called `{general}` (known: {known}).",)
