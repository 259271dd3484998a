"""A configuration file as a plain tree, and the environment variables in it."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experts.errors import ConfigError
from experts.files.yaml_text import parse_yaml, scalar

_ENVIRONMENT = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")
_AS_WRITTEN = re.compile(r", but YAML reads it as .*$")
_OPENING = "${env:"
_IGNORED = "x-"
"""What the top-level keys begin with that hold anchors for the others, or notes."""


def read_tree(path: Path) -> dict[str, Any]:
    """The file's top mapping, without its `x-` keys.

    Raises ConfigError when it cannot be read as one.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path}: there is no such file.",
            hint="Name your configuration with `--config FILE` (or `coterie validate FILE`).",
        ) from error
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        problem = f"{path}: {error.reason} at byte {error.start}."
        raise ConfigError(f"{path} is not UTF-8.", problems=(problem,)) from error
    tree = parse_yaml(text, path)
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} must be a mapping with the key `experts`.")
    named = {str(key): value for key, value in tree.items()}
    return {key: value for key, value in named.items() if not key.startswith(_IGNORED)}


def fill_environment(value: Any, problems: list[str], path: tuple[str, ...] = ()) -> Any:
    """The tree with every ${env:NAME} replaced.

    A variable that is not set, and a reference that is not complete, goes to `problems`.
    """
    if isinstance(value, dict):
        return {k: fill_environment(v, problems, (*path, str(k))) for k, v in value.items()}
    if isinstance(value, list):
        return [fill_environment(v, problems, (*path, str(i))) for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value

    def fill(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in os.environ:
            problems.append(f"{'.'.join(path)}: the environment variable {name} is not set.")
        return os.environ.get(name, "")

    if "\0" in value:
        problems.append(f"{'.'.join(path)}: must not hold a null character.")
        return ""  # No path of a file may hold one, either.
    if _OPENING in _ENVIRONMENT.sub("", value):
        where = ".".join(path)
        problems.append(f"{where}: `{_OPENING}` must be followed by a variable's name and `}}`.")
    return _ENVIRONMENT.sub(fill, value)


def read_otherwise(value: Any) -> dict[str, Any]:
    """What YAML would read the variables as that are whole values, by their paths in the tree.

    A value from the environment is a text. Where its key takes none, it is meant as a number, as
    true or false, or as null; variables that are texts for YAML, too, are left out.
    """
    found = {
        place: scalar(os.environ[name])
        for place, name in variables_of(value).items()
        if name in os.environ
    }
    return {place: read for place, read in found.items() if not isinstance(read, str)}


def variables_of(value: Any, path: tuple[str, ...] = ()) -> dict[str, str]:
    """The environment variables that are whole values, by their paths in the tree."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        inner = (variables_of(one, (*path, str(key))) for key, one in items)
        return {place: name for found in inner for place, name in found.items()}
    whole = _ENVIRONMENT.fullmatch(value) if isinstance(value, str) else None
    return {} if whole is None else {".".join(path): whole.group(1)}


def with_its_variable(problem: str, variables: Mapping[str, str]) -> str:
    """What is wrong with a value, and where it comes from that is not in the file."""
    name = variables.get(problem.partition(": ")[0])
    if name is None or name not in os.environ:  # One that is not set is named already.
        return problem
    words = _AS_WRITTEN.sub("", problem).rstrip(".")
    state = "is empty" if not os.environ[name] else "has another value"
    return f"{words}; the environment variable {name} {state}."


def put(tree: Any, path: str, value: Any) -> None:
    """Set the value at a path that `read_otherwise` has named."""
    for key in list(tree) if isinstance(tree, dict) else range(len(tree)):
        name, inner = str(key), tree[key]
        if name == path:
            tree[key] = value
        elif path.startswith(f"{name}.") and isinstance(inner, dict | list):
            put(inner, path.removeprefix(f"{name}."), value)
