"""A YAML file as a plain tree: no key twice, environment filled in, paths made absolute."""

import os
import re
from pathlib import Path
from typing import Any

import yaml

from experts.errors import ConfigError

_ENVIRONMENT = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")
_MERGE = "tag:yaml.org,2002:merge"


def read_tree(path: Path) -> dict[str, Any]:
    """The file's top mapping. Raises ConfigError when it cannot be read as one."""
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        problem = f"{path}: {error.reason} at byte {error.start}."
        raise ConfigError(f"{path} is not UTF-8.", problems=(problem,)) from error
    except (yaml.YAMLError, ValueError, TypeError) as error:
        # PyYAML raises the last two for values such as an impossible date, or a list as a key.
        words = " ".join(str(error).split())
        raise ConfigError(f"{path} is not YAML.", problems=(words,)) from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} must be a mapping with the key `experts`.")
    return {str(key): value for key, value in tree.items()}


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML silently keeps the last of two equal keys; a config file must not."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                continue
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} appears twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


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


_PATHS = (
    ("experts", "model"),
    ("experts", "recording"),
    ("routers", "outcomes"),
    ("routers", "artifact"),
    ("routers", "leads"),
    ("routers", "tagger_prompt"),
)
_AGGREGATORS_PATHS = ("prompt", "argument_prompt", "thresholds")


def anchor_paths(tree: dict[str, Any], folder: Path) -> None:
    """Make the paths of models and router files absolute: relative ones start at `folder`."""
    for section, key in _PATHS:
        entries = tree.get(section)
        for entry in entries.values() if isinstance(entries, dict) else ():
            value = entry.get(key) if isinstance(entry, dict) else None
            if not isinstance(value, str):
                continue
            if key == "model" and entry.get("type") not in ("vllm", "torch"):
                continue  # Somebody else's name for it.
            candidate = folder / Path(value).expanduser()
            looks_local = value.startswith((".", "/", "~")) or key != "model"
            if looks_local or candidate.exists():
                entry[key] = str(candidate.resolve())
    for section in ("aggregators", "compositions"):
        _anchor_aggregators(tree.get(section), folder)
    feedback = tree.get("feedback")
    if isinstance(feedback, dict) and isinstance(feedback.get("file"), str):
        feedback["file"] = str((folder / Path(feedback["file"]).expanduser()).resolve())


def _anchor_aggregators(value: Any, folder: Path) -> None:
    """The files of aggregators, which may stand in a composition, or in another aggregator."""
    for key, entry in value.items() if isinstance(value, dict) else ():
        if isinstance(entry, dict):
            _anchor_aggregators(entry, folder)
        elif key in _AGGREGATORS_PATHS and isinstance(entry, str):
            value[key] = str((folder / Path(entry).expanduser()).resolve())
