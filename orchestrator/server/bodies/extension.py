"""Our own field `coterie` of a request: what a client may ask for beyond OpenAI's protocol."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator

from orchestrator.config.budget import BudgetConfig
from orchestrator.request.context import NO_OPTIONS, RequestOptions
from orchestrator.server.bodies.numbers import as_whole
from orchestrator.server.bodies.objects import null_is_absent
from orchestrator.server.bodies.sampling import Strict

MOST_EXPERTS = 64
_Experts = (
    Annotated[int, Field(ge=1, le=MOST_EXPERTS)]
    | Annotated[list[str], Field(min_length=1, max_length=MOST_EXPERTS)]
    | None
)
_Texts = Annotated[tuple[str, ...], Field(strict=False)]
"""JSON has lists only."""


class AskedBudget(BudgetConfig):
    """A budget in a request: the same keys, in JSON's own types."""

    model_config = ConfigDict(strict=True, json_schema_extra=null_is_absent)

    _whole = field_validator("calls", "tokens", mode="before")(as_whole)


class Extension(Strict):
    """What may stand under `coterie`; every key is optional."""

    model_config = ConfigDict(json_schema_extra=null_is_absent)

    explain: bool = False
    """Explain why this expert was chosen; in a stream, in a first chunk without choices."""

    request_class: str | None = Field(None, alias="class")
    """The request class, which says how long the request may be made to wait."""

    role: str | None = None
    """Which member of a fused expert speaks; a name that it does not have is refused."""

    tokens: bool | Literal["auto"] = False
    """Report for every token which member of a fused expert produced it; `auto`: if one answers
    that can tell, where `true` is refused for all others."""

    router: str | None = None
    """A router from the configuration, instead of the composition's."""

    aggregator: str | None = None
    """An aggregator from the configuration, or a type of one, instead of the composition's."""

    experts: int | _Texts | None = None
    """How many experts answer together, or which."""

    budget: AskedBudget | None = None
    """What the answer may cost, instead of the composition's bounds."""

    timeout_s: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Seconds within which the whole answer must be there; then it ends with an error."""

    progress: Literal["comments", "reasoning"] = "comments"
    """Where a stream reports the progress of a composed answer."""

    cache: bool = True
    """Whether the answer may be one that was kept, and may be kept."""

    source: str = ""
    """The text that a debate's quotes are checked against."""

    tests: _Texts = ()
    """Python statements that pass for correct code, for a vote that runs them."""

    @field_validator("experts", mode="before", json_schema_input_type=_Experts)
    @classmethod
    def _some_experts(cls, value: Any) -> Any:
        value = as_whole(value)
        count = len(value) if isinstance(value, list) else value
        names = not isinstance(value, list) or all(isinstance(name, str) for name in value)
        whole = isinstance(count, int) and not isinstance(count, bool)
        if value is not None and not (names and whole and 1 <= count <= MOST_EXPERTS):
            raise ValueError(f"must be a number from 1 to {MOST_EXPERTS}, or names of experts")
        return value

    @property
    def options(self) -> RequestOptions:
        """What is asked of the composition."""
        if self is NO_EXTENSION:
            return NO_OPTIONS
        return RequestOptions(
            self.explain,
            self.tokens,
            self.progress,
            self.router,
            self.aggregator,
            self.experts,
            self.budget,
            self.role,
            self.timeout_s,
            "use" if self.cache else "skip",
        )


NO_EXTENSION = Extension()
"""Of requests that say nothing of it."""
