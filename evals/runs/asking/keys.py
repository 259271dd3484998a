"""What makes two calls the same: the expert's version, and everything that it is asked."""

import hashlib
import json

from experts.types import Request


def call_key(version: str, request: Request, repeat: int = 0) -> bytes:
    """A digest, 32 bytes, of a call; the order of the body's keys does not matter.

    `repeat` numbers calls that are alike in everything else and yet shall differ: samples that
    nobody gave a seed.
    """
    whole = [version, request.operation, dict(request.body), repeat]
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


def is_drawn(request: Request) -> bool:
    """Whether the same request may get another answer: it samples, and has no seed."""
    body = request.body
    return body.get("seed") is None and body.get("temperature") != 0
