"""Finds the tokens that an expert counted in bytes that pass through unparsed."""

import json

from experts.types import Usage

_KEY = b'"usage"'
_MOST_BYTES = 4096
"""A usage object is small; what is larger is something else."""


def usage_in(piece: bytes) -> Usage | None:
    """The usage in a body, or in a piece of a stream, if it has one.

    It is a hint for logs and metrics: one that is cut in two, or odd, is not found.
    """
    at = piece.rfind(_KEY)
    if at < 0:
        return None
    rest = piece[at + len(_KEY) : at + _MOST_BYTES].lstrip().removeprefix(b":").lstrip()
    try:
        told, _ = json.JSONDecoder().raw_decode(rest.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    counts = [told.get("prompt_tokens"), told.get("completion_tokens", 0)]
    if not all(isinstance(count, int) and not isinstance(count, bool) for count in counts):
        return None
    return Usage(*counts)
