"""What a client asks of a composition beyond its configuration."""

from dataclasses import dataclass
from typing import Literal

from orchestrator.config.budget import BudgetConfig


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """The body field `coterie`, less the request class; what is None is as it is configured."""

    explain: bool = False
    tokens: bool = False
    """Tell for every token what happened in a fused expert."""
    progress: Literal["comments", "reasoning"] = "comments"
    router: str | None = None
    aggregator: str | None = None
    experts: int | tuple[str, ...] | None = None
    """How many answer together, or which."""
    budget: BudgetConfig | None = None

    @property
    def recomposes(self) -> bool:
        """Whether anything is asked for that only a composition has."""
        return any(
            value is not None for value in (self.router, self.aggregator, self.experts, self.budget)
        )


NO_OPTIONS = RequestOptions()
