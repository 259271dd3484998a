"""The keys of what keeps the gateway from asking an expert that keeps failing."""

from pydantic import Field, model_validator

from orchestrator.config.sections import Section


class BreakerConfig(Section):
    """When an expert that keeps failing is asked no more for a while, and when again."""

    failures: int = Field(
        5,
        ge=2,
        description="Calls within `window_s` that must have failed before their first token, at"
        " least; a client's own mistakes do not count.",
    )
    share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Which share of all calls since the first of these failures must have failed,"
        " at least.",
    )
    window_s: float = Field(
        30.0, gt=0, allow_inf_nan=False, description="Seconds that are looked back."
    )
    open_s: float = Field(
        5.0,
        gt=0,
        allow_inf_nan=False,
        description="Seconds for which the expert is not asked, give or take a quarter; twice as"
        " long each time that it fails again at once.",
    )
    open_max_s: float = Field(
        60.0,
        gt=0,
        le=120,
        description="Most seconds for which it is not asked, also where its server asks for more"
        " with a 429 and Retry-After.",
    )
    trials: int = Field(
        1,
        ge=1,
        description="Requests that may find out at once, after that, whether it answers again.",
    )

    @model_validator(mode="after")
    def _not_shorter(self) -> "BreakerConfig":
        if self.open_max_s < self.open_s:
            raise ValueError("open_max_s must not be less than open_s")
        return self
