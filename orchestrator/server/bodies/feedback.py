"""The body of /coterie/feedback."""

import math
from typing import Annotated, Any

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, field_validator

from orchestrator.server.bodies.sampling import Strict

MAX_REQUEST_ID = 128
"""The most characters of a request's id that are kept."""


class FeedbackBody(Strict):
    """What a client thinks of an answer."""

    request_id: str = Field(min_length=1, max_length=MAX_REQUEST_ID)
    """The answer's header `x-request-id`."""
    score: Annotated[float, Field(ge=0, le=1)]
    """From 0, wrong, to 1, right."""

    @field_validator("score", mode="wrap")
    @classmethod
    def _share(cls, value: Any, read: ValidatorFunctionWrapHandler) -> float:
        """Whatever is wrong with it, what it must be is the same."""
        try:
            score = float(read(value))
        except ValidationError:
            score = math.nan
        if math.isnan(score):
            raise ValueError("must be a number from 0 to 1")
        return score
