"""What clients ask for by name: compositions, and classes of requests."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema, field_validator, model_validator

from experts.components import is_own_class
from experts.keys import Keys
from orchestrator.config.budget import BudgetConfig
from routers.learning import LearningConfig

MOST_NAME = 200
"""Characters of a name, which stands in headers, log lines and labels."""


def _matches(pattern: str, words: str) -> AfterValidator:
    """Checks that a text has a pattern, which messages explain in words."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(words)
        if len(value) > MOST_NAME:
            raise ValueError(f"must have no more than {MOST_NAME} characters")
        return value

    return AfterValidator(check)


_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_TWO_PARTS = rf"{_NAME}/[A-Za-z0-9._+-]+"
_LETTERS = "letters (a to z), digits, `.`, `_` and `-`"
Name = Annotated[
    str,
    _matches(_NAME, f"must consist of {_LETTERS}, beginning with a letter or digit"),
    WithJsonSchema({"type": "string", "pattern": f"^{_NAME}$", "maxLength": MOST_NAME}),
]
CompositionName = Annotated[
    str,
    _matches(
        _TWO_PARTS,
        f"must have two parts with a `/` between them, such as pool/auto: {_LETTERS}, beginning"
        " with a letter or digit; the second part may also hold `+`",
    ),
    WithJsonSchema({"type": "string", "pattern": f"^{_TWO_PARTS}$", "maxLength": MOST_NAME}),
]
DEFAULT_CLASS = "interactive"
BATCH_CLASS = "batch"


class Section(Keys):
    """The keys of a section of the file."""


class RequestClass(Section):
    """How long the requests of one kind of client may be made to wait."""

    max_wait_s: float | None = Field(
        gt=0,
        description="Age in seconds by which a request of this class is served, if a slot can"
        " serve it at all; null: no bound.",
    )


DEFAULT_CLASSES = {
    DEFAULT_CLASS: RequestClass(max_wait_s=10.0),
    BATCH_CLASS: RequestClass(max_wait_s=None),
}


class CompositionConfig(Section):
    """A model name behind which a router chooses who answers."""

    router: str = Field(description="The router that chooses: a name from `routers`.")
    aggregator: str | dict[str, Any] | None = Field(
        None,
        description="How the answers of several experts become one: a name from `aggregators`, a"
        " type with its defaults, or a mapping of `type` and its keys; null: one expert answers.",
    )
    experts: int = Field(
        3,
        ge=1,
        le=64,
        description="How many experts answer together, unless the router recruits them itself.",
    )
    budget: BudgetConfig = Field(
        BudgetConfig(), description="The most that one answer of several experts may cost."
    )
    quorum: int = Field(
        1,
        ge=1,
        le=64,
        description="Answers that must be in before slow experts are left out at the deadline.",
    )
    deadline_s: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Seconds after which slow experts are left out, once the quorum has answered;"
        " null: `budget.seconds`.",
    )
    fallbacks: int = Field(
        2,
        ge=0,
        le=64,
        description="How many other experts are asked, the next by the router's scores, when the"
        " one that should answer fails before its first token, cannot be loaded, or has no room.",
    )
    about: str = Field("", description="A sentence about the composition, shown by /v1/models.")
    request_class: str | None = Field(
        None,
        alias="class",
        description="The class, from `classes`, of requests that choose none; null: interactive.",
    )
    quality_weight: float = Field(
        1.0,
        gt=0,
        le=1,
        description="1 asks the best expert whatever it costs; below 1, the rest of the weight goes"
        " to the price, as a share of the most expensive expert's. `coterie router calibrate`"
        " finds a value.",
    )
    load_price: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="Predicted quality (0 to 1) that may be given up to save one second of waiting"
        " for a load.",
    )
    learning: LearningConfig | None = Field(
        None,
        description="Learn whom to ask from clients' feedback (POST /coterie/feedback); null: do"
        " not.",
    )

    @field_validator("aggregator")
    @classmethod
    def _own_class_with_its_defaults(cls, value: Any) -> Any:
        return {"type": value} if is_own_class(value) else value

    @model_validator(mode="after")
    def _one_way_to_choose(self) -> "CompositionConfig":
        if self.learning and (self.load_price or self.quality_weight < 1):
            raise ValueError("learning chooses by itself: leave out quality_weight and load_price")
        if self.aggregator and (self.learning or self.load_price or self.quality_weight < 1):
            raise ValueError(
                "an aggregator asks several experts: leave out learning, quality_weight and"
                " load_price"
            )
        return self
