"""What experts send as embeddings: any bytes in, nothing or that expert's error out."""

import base64
import math
from array import array
from typing import Annotated, Any

from pydantic import BaseModel, Field

from experts.errors import BadOutput
from experts.upstream.answers import check_json, parsed
from experts.upstream.refusals import Asked, told_error
from experts.upstream.shapes import Counts, Secrets

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
    usage: Counts | None = None
    error: Any = None


def check_embeddings(
    expert: str,
    content_type: str,
    content: bytes,
    count: int,
    secrets: Secrets = (),
    *,
    packed: bool = True,
) -> None:
    """Raise the expert's error for a body that is not `count` embeddings in OpenAI's format.

    They are vectors of one length and of finite numbers, as lists or, where `packed` says so, in
    base64.
    """
    check_json(expert, content_type, content)
    data = _parsed(expert, content, secrets)
    if len(data) != count:
        raise BadOutput(
            f"Expert {expert} sent {len(data)} embeddings for {count} inputs.", expert=expert
        )
    if not packed and any(isinstance(one.embedding, str) for one in data):
        raise BadOutput(f"Expert {expert} packed its embeddings, unasked.", expert=expert)
    told = [one.index for one in data if one.index is not None]
    if told and sorted(told) != list(range(count)):
        raise BadOutput(f"Expert {expert} numbered its embeddings wrongly.", expert=expert)
    lengths = {_length(one.embedding) for one in data}
    if len(lengths) != 1 or None in lengths:
        raise BadOutput(f"Expert {expert} sent embeddings that are no vectors.", expert=expert)


def _parsed(expert: str, content: bytes, secrets: Secrets) -> list[_Vector]:
    answer = parsed(_Embeddings, expert, content, "the body")
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
