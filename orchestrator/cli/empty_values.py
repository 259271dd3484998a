"""An empty word in place of a file or a folder is refused: a shell's variable was not set."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_args

import typer

PREFIX = "PREFIX"
"""What an option of a path prefix, which is a text, shows for its value."""


def refuse_empty(command: Any) -> None:
    """Let a command, and all inside it, refuse empty paths by the option's name."""
    for one in _all(command):
        for param in one.params:
            kind = param.type_descriptor.annotation
            if param.metavar == PREFIX or Path in (kind, *get_args(kind)):
                # Before it is read: a Path of nothing is the folder that one is in.
                param.process_value = partial(_checked, param, param.process_value)


def _all(command: Any) -> Iterator[Any]:
    yield command
    for inner in getattr(command, "commands", {}).values():
        yield from _all(inner)


def _checked(param: Any, read: Any, context: Any, value: Any) -> Any:
    given = value if isinstance(value, list | tuple) else (value,)
    if any(isinstance(one, str) and not one.strip() for one in given):
        message = f"it is empty. It wants: {param.help}"
        raise typer.BadParameter(message, ctx=context, param=param)
    return read(context, value)
