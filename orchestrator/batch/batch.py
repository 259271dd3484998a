"""A batch: what was asked for, how far it is, and the changes that may happen to it. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

Status = Literal[
    "validating",
    "failed",
    "in_progress",
    "finalizing",
    "completed",
    "expired",
    "cancelling",
    "cancelled",
]
ENDED: frozenset[Status] = frozenset({"failed", "completed", "expired", "cancelled"})
HELD_S = 15.0
"""A gateway that has not said so for as long no longer runs a batch."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch. Times are whole seconds since 1970, of `held_until` fractions, too."""

    id: str
    owner: str | None
    endpoint: str
    input_file_id: str
    created_at: int
    expires_at: int
    completion_window: str
    metadata: Mapping[str, str] | None = None
    own_files: Mapping[str, str] = field(default_factory=dict)
    """`output_file_id` and `error_file_id`, once it is being finished: kept before the files are
    written, so that a finishing that broke off is done again in the same place."""
    status: Status = "validating"
    times: Mapping[str, int] = field(default_factory=dict)
    """When it came into a status, by the status' name."""
    total: int = 0
    completed: int = 0
    failed: int = 0
    tokens: Mapping[str, int] = field(default_factory=dict)
    predicted: Mapping[str, Any] | None = None
    """What its last run was expected to take: `loads`, `seconds`, and whose costs are `unknown`."""
    real: Mapping[str, Any] | None = None
    """What that took: `loads` of the pool, for whomever, and `seconds`."""
    errors: tuple[Mapping[str, Any], ...] = ()
    """Why the whole of it failed."""
    holder: str | None = None
    """The gateway that runs it."""
    held_until: float = 0.0

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in ENDED

    def to_json(self) -> dict[str, Any]:
        """OpenAI's batch object."""
        wrong = [{"param": None, "line": None, **error} for error in self.errors]
        done = self.status in ENDED and self.status != "failed"
        own = self.own_files if done else {}
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": self.endpoint,
            "errors": {"object": "list", "data": wrong} if wrong else None,
            "input_file_id": self.input_file_id,
            "completion_window": self.completion_window,
            "status": self.status,
            "output_file_id": own.get("output_file_id") if self.completed else None,
            "error_file_id": own.get("error_file_id") if self.failed else None,
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            **{
                f"{status}_at": self.times.get(status)
                for status in (
                    "in_progress",
                    "finalizing",
                    "completed",
                    "failed",
                    "expired",
                    "cancelling",
                    "cancelled",
                )
            },
            "request_counts": {
                "total": self.total,
                "completed": self.completed,
                "failed": self.failed,
            },
            "usage": {
                "input_tokens": self.tokens.get("prompt_tokens", 0),
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": self.tokens.get("completion_tokens", 0),
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": sum(self.tokens.values()),
            },
            "metadata": dict(self.metadata) if self.metadata is not None else None,
            "coterie": {"predicted": self.predicted, "real": self.real},
        }


def stored(batch: Batch) -> dict[str, Any]:
    """As it is kept in a store."""
    return asdict(batch)


def restored(value: Mapping[str, Any]) -> Batch:
    """From what was kept."""
    return Batch(**{**value, "errors": tuple(value["errors"])})


def moved(batch: Batch, status: Status, now: float) -> Batch:
    """In another status since now."""
    return replace(batch, status=status, times={**batch.times, status: int(now)})


def cancelled(batch: Batch, now: float) -> Batch:
    """After somebody has asked for its end: what has ended stays as it is."""
    if batch.ended or batch.status == "cancelling":
        return batch
    return moved(batch, "cancelling", now)


def claimed(
    batch: Batch, gateway: str, now: float, is_gone: Callable[[str], bool] = lambda holder: False
) -> Batch | None:
    """Held by this gateway for a while; None where another one holds it, or it has ended.

    `is_gone` knows of gateways that have died.
    """
    holder = batch.holder
    free = holder in (None, gateway) or batch.held_until <= now or is_gone(str(holder))
    if batch.ended or not free:
        return None
    held = replace(batch, holder=gateway, held_until=now + HELD_S)
    if holder == gateway or batch.status != "in_progress":
        return held
    return replace(held, predicted=None, real=None)  # An earlier run's: much of it is done.
