"""A YAML file as a plain tree: no key twice, environment variables filled in."""

import os
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from experts.errors import ConfigError

_ENVIRONMENT = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")
_MERGE = "tag:yaml.org,2002:merge"


def read_tree(path: Path) -> dict[str, Any]:
    """The file's top mapping. Raises ConfigError when it cannot be read as one."""
    try:
        text = path.read_text(encoding="utf-8")
        tree = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 (it is a SafeLoader)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        problem = f"{path}: {error.reason} at byte {error.start}."
        raise ConfigError(f"{path} is not UTF-8.", problems=(problem,)) from error
    except yaml.YAMLError as error:
        # Not its cause: PyYAML quotes the line, which may hold a secret.
        raise ConfigError(f"{path} is not YAML.", problems=(_where(error),)) from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} must be a mapping with the key `experts`.")
    return {str(key): value for key, value in tree.items()}


def _where(error: yaml.YAMLError) -> str:
    """The line and the column of a mistake, and what PyYAML says about it."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return " ".join(str(error).split())
    mark = error.problem_mark or error.context_mark
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
    words = " ".join(part for part in (error.context, error.problem) if part)
    return f"{place}{words or 'the syntax is wrong'}."


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML silently keeps the last of two equal keys; a config file must not."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise _mistake("a key must be a name, not a list or a mapping", key_node)
            if key in seen:
                raise _mistake(f"the key {key!r} appears twice; keep one", key_node)
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:  # Such as an impossible date.
            raise _mistake(f"{error}; put a text into quotes", node) from None


def _mistake(words: str, node: Any) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, words, node.start_mark)


def fill_environment(value: Any, problems: list[str], path: tuple[str, ...] = ()) -> Any:
    """The tree with every ${env:NAME} replaced; what is not set goes to `problems`."""
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

    return _ENVIRONMENT.sub(fill, value)
