"""What a slot's errors say, in a line that a person can read."""

import re
from collections.abc import Awaitable
from typing import Any

MAX_ERROR_CHARACTERS = 400


def why_not_made(told: str) -> str:
    """The last line of Ray's words about an actor that could not be made, and on which node."""
    node = re.search(r"\bip=([\w.:]+)", told)
    return told.strip().splitlines()[-1] + (f" (on {node[1]})" if node else "")


async def in_words(call: Awaitable[Any]) -> Any:
    """Engines raise classes that the driver cannot unpickle; their words are what counts."""
    try:
        return await call
    except Exception as error:
        raise RuntimeError(one_line(error)) from None


def one_line(error: BaseException) -> str:
    """An engine's error in a line that a person can read."""
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words[:MAX_ERROR_CHARACTERS]}"
