"""Files that a configuration names and that would not serve: read now, as the service will."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aggregators.registry import build
from experts.components import parse
from experts.errors import ConfigError
from experts.replay import recording
from experts.spec import ReplaySpec
from orchestrator.config.checks import strangers
from orchestrator.config.model import Config
from routers.fitted.artifact import Artifact
from routers.fitted.fitted_config import FittedConfig
from routers.outcomes import OutcomeTable
from routers.registry import FAMILY
from routers.symbolic_moe.leads import Leads
from routers.symbolic_moe.symbolic_config import SymbolicConfig


def unreadable_files(config: Config) -> list[str]:
    """What is wrong with the files of experts, aggregators and routers, each with its path."""
    found = [*_recordings(config), *_aggregators(config), *_routers(config)]
    return found or list(strangers(config.routers, tuple(config.answering), config.embedders))


def _recordings(config: Config) -> Iterator[str]:
    for name, spec in config.experts.items():
        if isinstance(spec, ReplaySpec):
            try:
                recording(spec.recording, spec.model)
            except ConfigError as error:
                yield f"experts.{name}.recording: {error}"


def _aggregators(config: Config) -> Iterator[str]:
    """Aggregators read their prompts and thresholds when they are made."""
    places = {f"aggregators.{name}": keys for name, keys in config.aggregators.items()}
    for name, composition in config.compositions.items():
        if isinstance(composition.aggregator, dict):
            places[f"compositions.{name}.aggregator"] = composition.aggregator
    for place, keys in places.items():
        try:
            build(place, keys, tuple(config.answering))
        except ConfigError as error:
            path = next(_keys_of_files(keys, str(error)), ())
            yield f"{'.'.join((place, *path))}: {error}"


def _keys_of_files(keys: Mapping[str, Any], message: str) -> Iterator[tuple[str, ...]]:
    """The keys whose file a message names; aggregators may hold another one."""
    for key, value in keys.items():
        if isinstance(value, Mapping):
            yield from ((key, *path) for path in _keys_of_files(value, message))
        elif isinstance(value, str) and Path(value).is_absolute() and value in message:
            yield (key,)


def _routers(config: Config) -> Iterator[str]:
    """What fitted routers read; whether it fits the pool shows when they are built."""
    for name, settings in config.routers.items():
        place = f"routers.{name}"
        _, keys = parse(place, settings, FAMILY, tuple(config.answering))
        for key, read in _readers(keys).items():
            try:
                read()
            except ConfigError as error:
                yield f"{place}.{key}: {error}"


def _readers(keys: Any) -> dict[str, Any]:
    """By key, what reads its file."""
    readers: dict[str, Any] = {}
    if isinstance(keys, FittedConfig):
        if keys.artifact is not None:
            readers["artifact"] = lambda: Artifact.read(keys.artifact)
        elif keys.outcomes is not None:
            readers["outcomes"] = lambda: OutcomeTable.read(keys.outcomes)
    if isinstance(keys, SymbolicConfig):
        readers["tagger_prompt"] = keys.tagging
        if keys.leads is not None:
            readers["leads"] = lambda: Leads.read(keys.leads)
    return readers
