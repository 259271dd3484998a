"""What is asked of a router without asking an expert, and what it answers."""

from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from orchestrator.config.sections import Section


class RouteBody(Section):
    """A question, and who should decide about it."""

    model: str = Field(min_length=1, description="A composition.")
    question: str = Field(min_length=1, description="What a user would ask.")
    quality_weight: float | None = Field(
        None,
        gt=0,
        le=1,
        description="In place of the composition's own: 1 is quality alone; null: its own.",
    )


class Choice(TypedDict):
    """A range of `quality_weight` in which the same expert is chosen."""

    expert: str
    from_weight: float
    to_weight: float


class Routed(TypedDict):
    """Who would be asked, and why."""

    model: str
    router: str
    quality_weight: Annotated[float, Field(description="That was decided with.")]
    expert: Annotated[
        str | None, Field(description="Who is asked; null where nobody, or several are.")
    ]
    experts: Annotated[list[str], Field(description="All that are asked.")]
    aggregator: Annotated[str | None, Field(description="What makes one answer of several.")]
    message: Annotated[str | None, Field(description="What is said where nobody is asked.")]
    reason: str
    scores: Annotated[dict[str, float], Field(description="Predicted quality, the best first.")]
    prices: Annotated[dict[str, float], Field(description="USD for a million tokens.")]
    guard: Annotated[str | None, Field(description="What the coverage guard made of it.")]
    left_out: Annotated[dict[str, str], Field(description="Who cannot answer now, and why.")]
    evidence: Annotated[dict[str, Any], Field(description="What the decision rests on.")]
    choices: Annotated[
        list[Choice], Field(description="What every weight chooses; empty for panels.")
    ]
    route_ms: float
