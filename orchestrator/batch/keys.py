"""Ids and keys of files and batches: those of one owner stand together, in the order of making."""

import secrets
from urllib.parse import quote

TIME_DIGITS = 11
"""Milliseconds since 1970, in hexadecimal: enough until the year 2527."""


def new_id(prefix: str, now: float) -> str:
    """An id that nobody can guess, and that sorts by when it was made."""
    return f"{prefix}{int(now * 1000):0{TIME_DIGITS}x}{secrets.token_hex(16)}"


def made_at(identifier: str) -> int:
    """When an id was made, in whole seconds since 1970."""
    return int(identifier[-TIME_DIGITS - 32 : -32], 16) // 1000


def under(kind: str, owner: str | None) -> str:
    """How the keys of an owner's files, or batches, begin."""
    return f"{kind}:{quote(owner or '', safe='')}/"


def owned(kind: str, owner: str | None, identifier: str) -> str:
    """The key of one of them."""
    return under(kind, owner) + identifier
