"""The file that a service was started with, as it was read last."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experts.components import is_own_class
from experts.errors import ConfigError, NameTaken
from orchestrator.config.difference.files import ABSENT, Fingerprints, named_files
from orchestrator.config.model import Config, config_of
from orchestrator.config.yaml_tree import read_tree


@dataclass(frozen=True, slots=True)
class Version:
    """A configuration, and what it was made of."""

    config: Config
    written: Mapping[str, Any] = field(default_factory=dict)
    """The tree of the file, with its references to the environment."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Key -> digest of the file that it names."""


def _as_it_is(config: Config) -> Config:
    return config


class ConfigFile:
    """Reads the file whenever it is asked to."""

    def __init__(self, path: Path, settle: Callable[[Config], Config] = _as_it_is) -> None:
        """`settle` fills in what the file leaves to the service. Raises ConfigError."""
        self.path = path
        self._settle = settle
        self._fingerprints = Fingerprints()
        self.started = self._first()
        """What is served at first."""
        self.first_stamp = self.stamp(self.started)
        self.generation = 1
        """Its number."""

    def read(self) -> Version:
        """What the file says now. Raises ConfigError with every mistake."""
        if self.path.exists() and not self.path.is_file():
            raise ConfigError(
                f"{self.path} is no regular file, so it cannot be read again.",
                hint="Put the configuration into a file.",
            )
        return self._version(read_tree(self.path))

    def _first(self) -> Version:
        return self._version(read_tree(self.path))

    def now_runs(self, version: Version, generation: int) -> None:
        """Learn what is served from now on."""

    def with_expert(self, version: Version, name: str, keys: Mapping[str, Any]) -> Version:
        """A version with one expert more. Raises ConfigError, and NameTaken.

        The keys come from elsewhere: they may name no class of this process's to run, and no
        variable of its environment.
        """
        experts = version.written.get("experts", {})
        if name in {*experts, *version.written.get("compositions", {})}:
            raise NameTaken(f"There is a model `{name}` already.", param="name")
        if is_own_class(keys.get("type")):
            raise ConfigError("An engine of your own is added in the file alone.")
        if any("${env:" in text for text in _texts(keys)):
            raise ConfigError("Environment variables are referred to in the file alone.")
        grown = {**version.written, "experts": {**experts, name: dict(keys)}}
        return self._version(grown)

    def with_keys(self, version: Version, name: str, changes: Mapping[str, Any]) -> Version:
        """A version with other keys of one expert. Raises ConfigError."""
        experts = version.written["experts"]
        grown = {**experts, name: {**experts[name], **changes}}
        return self._version({**version.written, "experts": grown})

    def stamp(self, version: Version) -> str:
        """Another text whenever the file, or a file that the version names, has other contents."""
        paths = (self.path, *named_files(version.config).values())
        digests = [self._fingerprints.of(path) for path in paths]
        return hashlib.sha256(" ".join(digests).encode()).hexdigest()

    @property
    def is_there(self) -> bool:
        """Whether it can be read at all, which an editor may prevent for a moment."""
        return self._fingerprints.of(self.path) != ABSENT

    def _version(self, written: Mapping[str, Any]) -> Version:
        config = self._settle(config_of(written, self.path))
        return Version(config, written, self._fingerprints.of_all(config))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = [*value.keys(), *value.values()]
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
