"""What is told of the pool to whoever watches it, and of one of its experts."""

from typing import Annotated, Literal

from pydantic import Field, RootModel
from typing_extensions import TypedDict

from orchestrator.residency.changing.happenings import Kind
from orchestrator.server.bodies.answers import PoolState

At = Annotated[float, Field(description="Seconds since 1970.")]


class PoolEvent(PoolState):
    """The pool as it is now."""

    type: Literal["pool"]
    at: At


class Rate(TypedDict):
    """What an expert does per second."""

    requests_s: Annotated[float, Field(description="Calls to it that have ended.")]
    tokens_s: Annotated[float, Field(description="Tokens of the answers that have ended.")]


class RatesEvent(TypedDict):
    """What has been answered in the last second."""

    type: Literal["rates"]
    at: At
    in_flight: Annotated[int, Field(description="Requests that are under way.")]
    draining: Annotated[bool, Field(description="Whether the gateway is taken out.")]
    experts: Annotated[dict[str, Rate], Field(description="Those that have answered.")]


class MoveTold(TypedDict):
    """An engine has come into a slot, has left it, or could not."""

    kind: Kind
    engine: str
    slot: str
    at: Annotated[float, Field(description="When it was over, in seconds since 1970.")]
    seconds: Annotated[float, Field(description="How long it took.")]
    why: str


class MovesEvent(TypedDict):
    """What has come and gone since the last such event; the first has all that is remembered."""

    type: Literal["moves"]
    at: At
    moves: list[MoveTold]


class PoolNews(RootModel[PoolEvent | RatesEvent | MovesEvent]):
    """An event of the stream; its `type` says what it is about."""


class TaskRecord(TypedDict):
    """How an expert did on the probe questions of a task."""

    task: str
    asked: int
    mean_score: Annotated[float, Field(description="From 0 to 1.")]
    best: Annotated[str, Field(description="The expert with the best mean on this task.")]
    best_score: float


class Record(TypedDict):
    """What a router has learned from of an expert."""

    routers: Annotated[list[str], Field(description="The routers that learned from it.")]
    asked: int
    mean_score: float
    tasks: list[TaskRecord]


class Latency(TypedDict):
    """How long the last calls to an expert took, in milliseconds."""

    calls: Annotated[int, Field(description="Those that are still remembered.")]
    failed: int
    first_ms: Annotated[dict[str, float], Field(description="p50 and p95, to the first token.")]
    total_ms: Annotated[dict[str, float], Field(description="p50 and p95, to the end.")]


class ExpertStanding(TypedDict):
    """What is known of one expert."""

    expert: str
    about: str
    type: str
    engine: Annotated[str | None, Field(description="That of its base, where it shares one.")]
    price_usd_per_mtok: float
    context_length: int | None
    pinned: bool
    fixed: Annotated[
        str | None, Field(description="Why no call may pin or unpin it; null: a call may.")
    ]
    failed: str | None
    learned: list[Record]
    latency: Latency
