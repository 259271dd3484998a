"""Relative paths of a configuration start at its file: every key of a path is made absolute."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from aggregators.registry import aggregator_class
from experts.annotations import is_path, plain
from experts.components import is_own_class
from experts.errors import ConfigError
from experts.own_engines import engine_class
from orchestrator.store.urls import ca_of, with_ca
from routers.registry import router_class

Tree = dict[str, Any]
SQLITE = "sqlite:"
"""What a store in a file begins with."""
_WEIGHTS = ("vllm", "torch")
_FILES = ("chat_template", "tokenizer", "tool_parser_plugin", "reasoning_parser_plugin")
"""Engine arguments that may name a file or a folder, and may be something else."""


def anchor_paths(tree: Tree, folder: Path, model: type[BaseModel]) -> None:
    """Make the paths in a file's tree absolute, those in the keys of routers and so on, too."""
    _anchor_section(tree, model, folder)
    for name, expert in _mappings(tree.get("experts")):
        _anchor_expert(name, expert, folder)
        _anchor_arguments(expert.get("engine_args"), folder)
    store = tree.get("store")
    if isinstance(store, str) and store.startswith(SQLITE):
        tree["store"] = SQLITE + _absolute(store.removeprefix(SQLITE), folder)
    elif isinstance(store, str):
        tree["store"] = _with_anchored_ca(store, folder)
    slots = tree.get("slots")
    _anchor_arguments(slots.get("engine_args") if isinstance(slots, dict) else None, folder)
    for _, router in _mappings(tree.get("routers")):
        _anchor_section(router, _config_of(router_class, router), folder)
        _anchor_model(router.get("encoder"), folder)
    for _, aggregator in _mappings(tree.get("aggregators")):
        _anchor_aggregator(aggregator, folder)
    for _, composition in _mappings(tree.get("compositions")):
        _anchor_aggregator(composition.get("aggregator"), folder)


def _with_anchored_ca(url: str, folder: Path) -> str:
    """The URL of a Redis, whose file of a CA is a path as well."""
    try:
        ca = ca_of(url)
    except ValueError:  # The checks report it.
        return url
    return url if ca is None else with_ca(url, _absolute(ca, folder))


def _anchor_section(section: Tree, model: type[BaseModel] | None, folder: Path) -> None:
    """The keys of a model that are paths, and those of the models inside it."""
    for name, field in model.model_fields.items() if model is not None else ():
        key = field.alias or name
        value = section.get(key)
        kind, _ = plain(field.annotation)
        if isinstance(value, str) and is_path(kind):
            section[key] = _absolute(value, folder)
        elif isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, BaseModel):
            _anchor_section(value, kind, folder)


def _anchor_expert(name: str, expert: Tree, folder: Path) -> None:
    kind = expert.get("type")
    if is_own_class(kind):
        _anchor_section(expert, _config_of(lambda one: engine_class(name, one), expert), folder)
    recording = expert.get("recording")
    if kind == "replay" and isinstance(recording, str):
        expert["recording"] = _absolute(recording, folder)
    # A hub id looks like a relative path; of a remote expert, the model is its server's own name.
    if kind in _WEIGHTS:
        _anchor_model(expert, folder)


def _anchor_model(keys: Any, folder: Path) -> None:
    """A key `model` that may be a folder, or a hub id."""
    model = keys.get("model") if isinstance(keys, dict) else None
    if isinstance(model, str) and model.strip():
        local = model.startswith((".", "/", "~")) or (folder / model).exists()
        keys["model"] = _absolute(model, folder) if local else model


def _anchor_arguments(given: Any, folder: Path) -> None:
    """Engine arguments, which a slot reads in another folder. A template may be a text itself."""
    for key, value in given.items() if isinstance(given, dict) else ():
        if str(key).replace("-", "_") not in _FILES or not isinstance(value, str):
            continue
        is_path = not any(mark in value for mark in "{}\n")
        if is_path and (value.startswith((".", "~")) or (folder / value).exists()):
            given[key] = _absolute(value, folder)


def _anchor_aggregator(aggregator: Any, folder: Path) -> None:
    """An aggregator's keys; another one may stand in them."""
    if not isinstance(aggregator, dict):
        return
    _anchor_section(aggregator, _config_of(aggregator_class, aggregator), folder)
    for _, inner in _mappings(aggregator):
        if "type" in inner:
            _anchor_aggregator(inner, folder)


def _config_of(find: Any, keys: Tree) -> type[BaseModel] | None:
    """The keys that a `type` knows; None where it is wrong, which the checks report."""
    try:
        config: type[BaseModel] = find(keys.get("type")).Config
    except ConfigError:
        return None
    return config


def _mappings(entries: Any) -> Iterator[tuple[str, Tree]]:
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        if isinstance(entry, dict):
            yield str(name), entry


def _absolute(value: str, folder: Path) -> str:
    return str((folder / Path(value).expanduser()).resolve())
