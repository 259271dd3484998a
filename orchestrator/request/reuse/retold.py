"""The field `coterie` within a stream, as it is for whoever gets the stream again. Pure."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from experts.sse import data_of, split_events

_FIELD = b'"coterie":'


def retold(block: bytes, told: Callable[[], Mapping[str, Any]]) -> bytes:
    """Whole events, with what `told` says in place of what the first request's client was told.

    Only panels have the field in a stream: the last of their chunks tells what they did.
    """
    if _FIELD not in block:
        return block
    return b"".join(_retold(event, told) for event in split_events(block))


def _retold(event: bytes, told: Callable[[], Mapping[str, Any]]) -> bytes:
    data = data_of(event)
    if _FIELD not in data:
        return event
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return event
    if not isinstance(tree, dict) or "coterie" not in tree:
        return event  # It stands in somebody's text.
    return b"data: " + json.dumps(tree | {"coterie": told()}).encode() + b"\n\n"
