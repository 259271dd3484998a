"""The body of /v1/embeddings."""

from typing import Annotated, Any, Literal

from pydantic import WithJsonSchema

from experts.errors import RequestError
from orchestrator.server.bodies.sampling import INT64, CountOrAll, Flag, Positive, Strict, Text

_ONE_TEXT = {"type": "string", "minLength": 1}
_IDS = {
    "type": "array",
    "items": {"type": "integer", "minimum": 0, "exclusiveMaximum": INT64},
    "minItems": 1,
}
_SEVERAL = [{"type": "array", "items": one, "minItems": 1} for one in (_ONE_TEXT, _IDS)]
INPUTS: dict[str, Any] = {
    "anyOf": [_ONE_TEXT, _IDS, *_SEVERAL],
    "description": "A text, a list of token ids, or a list of texts or of lists of ids.",
}


class EmbeddingsBody(Strict):
    """Every field but `input` is optional, and null stands for its absence."""

    model: Text = None
    # Checked by `check_inputs`: pydantic would report each member of a union.
    input: Annotated[Any, WithJsonSchema(INPUTS)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Positive | None = None
    user: Text = None
    truncate_prompt_tokens: CountOrAll | None = None
    truncation_side: Literal["left", "right"] | None = None
    add_special_tokens: Flag = None


def check_inputs(inputs: Any, most: int) -> None:
    """Raise RequestError for what is no text, no token ids, and no list of `most` of either."""
    if isinstance(inputs, str) or _are_numbers(inputs):
        _check_one(inputs, "input")
        return
    if not isinstance(inputs, list) or not inputs:
        raise _wrong("input", "must be a text, a list of token ids, or a list of either")
    if len(inputs) > most:
        raise _wrong("input", f"must hold at most {most} inputs (server.max_embedding_inputs)")
    for number, one in enumerate(inputs):
        if type(one) is not type(inputs[0]):
            raise _wrong(f"input[{number}]", "must be of the kind of those before: text, or ids")
        _check_one(one, f"input[{number}]")


def _check_one(one: Any, place: str) -> None:
    if not isinstance(one, str) and not _are_numbers(one) and one != []:
        raise _wrong(place, "must be a text or a list of token ids")
    if not one:
        raise _wrong(place, "must not be empty")
    if isinstance(one, list) and not (min(one) >= 0 and max(one) < INT64):
        at = next(n for n, id in enumerate(one) if not 0 <= id < INT64)
        raise _wrong(f"{place}[{at}]", "must be a token id, 0 or more")


def _are_numbers(value: Any) -> bool:
    """Whether it is a list of whole numbers, of which there may be millions."""
    return isinstance(value, list) and set(map(type, value)) == {int}


def _wrong(place: str, what: str) -> RequestError:
    return RequestError(f"{place}: {what}.", param=place)
