"""What experts send as embeddings: any bytes in, nothing or that expert's error out."""

import base64
import math
from array import array
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from experts.errors import BadOutput
from experts.upstream.answers import JSON, Secrets
from experts.upstream.refusals import Asked, told_error

_FLOAT_BYTES = 4
_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class _Vector(BaseModel):
    """Of what an expert sends; the rest is its own business."""

    index: int | None = None
    embedding: Annotated[
        Annotated[list[_Number], Field(min_length=1)] | Annotated[str, Field(min_length=1)],
        Field(union_mode="left_to_right"),
    ]


class _Embeddings(BaseModel):
    data: list[_Vector] | None = None
    error: Any = None


def count_of(inputs: Any) -> int:
    """How many vectors a request's `input` asks for: a text, token ids, or a list of either."""
    several = isinstance(inputs, list) and not isinstance(inputs[0], int)
    return len(inputs) if several else 1


def check_embeddings(
    expert: str, content_type: str, content: bytes, count: int, secrets: Secrets = ()
) -> None:
    """Raise the expert's error for a body that is not `count` embeddings in OpenAI's format.

    They are vectors of one length and of finite numbers, as lists or in base64.
    """
    if not content.strip():
        raise BadOutput(f"Expert {expert} sent an empty answer.", expert=expert)
    if not content_type.startswith(JSON):
        shown = " ".join(content_type.split())[:80] or "something"
        raise BadOutput(f"Expert {expert} sent {shown} instead of JSON.", expert=expert)
    data = _parsed(expert, content, secrets)
    if len(data) != count:
        raise BadOutput(
            f"Expert {expert} sent {len(data)} embeddings for {count} inputs.", expert=expert
        )
    told = [one.index for one in data if one.index is not None]
    if told and sorted(told) != list(range(count)):
        raise BadOutput(f"Expert {expert} numbered its embeddings wrongly.", expert=expert)
    lengths = {_length(one.embedding) for one in data}
    if len(lengths) != 1 or None in lengths:
        raise BadOutput(f"Expert {expert} sent embeddings that are no vectors.", expert=expert)


def _parsed(expert: str, content: bytes, secrets: Secrets) -> list[_Vector]:
    try:
        answer = _Embeddings.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the body"
        raise BadOutput(
            f"Expert {expert} sent what is not OpenAI's format ({place}: {first['msg']}).",
            expert=expert,
        ) from error
    if answer.error:
        raise told_error(Asked(expert, secrets), answer.error)
    return answer.data or []


def _length(vector: list[float] | str) -> int | None:
    """How many numbers it has; None for what is no vector."""
    if not isinstance(vector, str):
        return len(vector)
    try:
        raw = base64.b64decode(vector, validate=True)
    except ValueError:
        return None
    if len(raw) % _FLOAT_BYTES or not math.isfinite(sum(array("f", raw))):
        return None
    return len(raw) // _FLOAT_BYTES
