"""The keys of a budget: the most that one answer of several experts may cost."""

from pydantic import Field

from experts.keys import Keys


class BudgetConfig(Keys):
    """The keys under a composition's `budget`."""

    calls: int = Field(64, ge=1, le=10_000, description="Most calls of experts.")
    tokens: int = Field(
        131_072, ge=1, description="Most tokens that the experts generate, all together."
    )
    seconds: float = Field(
        300.0,
        gt=0,
        allow_inf_nan=False,
        description="Most seconds from the request to the end of its answer; not for lines of"
        " batches, which wait for their experts.",
    )
