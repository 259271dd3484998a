"""Prompts as plain text files with named fields, and texts that cannot break out of them."""

import re
from collections.abc import Sequence
from pathlib import Path

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


def read_template(path: Path, fields: Sequence[str]) -> str:
    """Read the text of a prompt, without its last line feed.

    Raises ConfigError where it cannot be read, or lacks one of the `fields`.
    """
    try:
        text = path.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The prompt {path} cannot be read ({error}).") from error
    if missing := [f"{{{field}}}" for field in fields if f"{{{field}}}" not in text]:
        raise ConfigError(f"The prompt {path} lacks {' and '.join(missing)}.")
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
