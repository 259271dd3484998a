"""How much of what others have sent is said again, in messages and in the log. Pure."""

import re

MOST_QUOTED = 200
"""Letters of one thing that was sent: a name, a key, a path."""
MOST_SAID = 2000
"""Letters of a whole message."""
_LONG = re.compile(rf"(\S{{{MOST_QUOTED}}})\S+")


def quoted(text: str) -> str:
    """As much of a text as is needed to know it again."""
    return text if len(text) <= MOST_QUOTED else f"{text[:MOST_QUOTED]}…"


def brief(message: str) -> str:
    """A message in which no word and not the whole is longer than anybody would read."""
    if len(message) <= MOST_QUOTED:
        return message
    message = _LONG.sub(r"\1…", message)
    return message if len(message) <= MOST_SAID else f"{message[:MOST_SAID]}…"
