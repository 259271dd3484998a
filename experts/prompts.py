"""Prompts as plain text files with named fields, and texts that cannot break out of them."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from experts.errors import ConfigError

SHORTEST_FENCE = 3
THOUGHTS, THOUGHTS_END = "<think>", "</think>"

_ROLE_TOKENS = re.compile(
    r"""
    [<\[](?=[|\uff5c][^|\uff5c<>\s]{1,64}[|\uff5c]?[>\]])   # <|im_end|>, <|turn>, [|endofturn|]
    | <(?=\w{1,32}[|\uff5c]>)                             # <turn|>
    | <(?=/?(?:s|bos|eos|pad|unk|think)>)                # </s>
    | <(?=(?:start|end)_of_(?:turn|role|text)>)
    | <(?=</?SYS>>) | \[(?=/?(?:INST|[A-Z]+_(?:PROMPT|CALLS|RESULTS|TOOLS|CONTENT))\])
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""The first character of what tokenizers may take for the end of a turn or the start of one."""

_ROLE = re.compile(r"^\[(system|user|assistant)\][ \t]*\n", re.MULTILINE)


class Turn(NamedTuple):
    """One message of a prompt, its fields not filled in yet."""

    role: str
    text: str


def turns(template: str) -> tuple[Turn, ...]:
    """The messages of a prompt: a line `[system]`, `[user]` or `[assistant]` begins one.

    Without such a line, all of it is one message of the user.
    """
    first, *rest = _ROLE.split(template)
    pairs = zip(rest[::2], rest[1::2], strict=True)
    found = [Turn("user", first), *(Turn(role, text) for role, text in pairs)]
    return tuple(Turn(role, text.strip("\n")) for role, text in found if text.strip()) or (
        Turn("user", ""),
    )


def read_template(path: Path, fields: Sequence[str]) -> str:
    """Read the text of a prompt, without its last line feed.

    Raises ConfigError where it cannot be read, lacks one of the `fields`, or ends with another
    message than the user's (`turns`).
    """
    try:
        text = path.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The prompt {path} cannot be read ({error}).") from error
    if missing := [f"{{{field}}}" for field in fields if f"{{{field}}}" not in text]:
        raise ConfigError(f"The prompt {path} lacks {' and '.join(missing)}.")
    if turns(text)[-1].role != "user":
        raise ConfigError(f"The prompt {path} must end with a message of the [user].")
    return text


def fill(template: str, **fields: str) -> str:
    """The template with its fields; what looks like a field in a value stays as it is."""
    pattern = "|".join(re.escape(f"{{{name}}}") for name in fields)
    return re.sub(pattern, lambda found: fields[found[0][1:-1]], template)


def fence_for(texts: Sequence[str]) -> str:
    """A fence that none of the texts can close: longer than all runs of backticks in them."""
    longest = max((len(run) for text in texts for run in re.findall("`+", text)), default=0)
    return "`" * max(SHORTEST_FENCE, longest + 1)


def defused(text: str) -> str:
    """A foreign text, changed so that no tokenizer finds tokens in it that separate turns."""
    return _ROLE_TOKENS.sub(lambda found: f"{found[0]} ", text)


def without_thoughts(text: str) -> str:
    """An answer without the reasoning that precedes it; nothing where that was cut off."""
    said = text.rpartition(THOUGHTS_END)[2].strip()
    return "" if said.startswith(THOUGHTS) else said


def with_system(
    messages: Sequence[Mapping[str, Any]], text: str, *, first: bool = True
) -> list[Mapping[str, Any]]:
    """The messages with `text` in their one system message: before what is there, or after it.

    Chat templates know one system message, at the beginning. OpenAI's `developer` counts as one.
    """
    if not messages or messages[0].get("role") not in ("system", "developer"):
        return [{"role": "system", "content": text}, *messages]
    there = messages[0].get("content")
    if isinstance(there, list):
        part = {"type": "text", "text": text}
        content: Any = [part, *there] if first else [*there, part]
    else:
        texts = (text, there) if first else (there, text)
        content = "\n\n".join(str(one) for one in texts if one)
    return [{**messages[0], "content": content}, *messages[1:]]
