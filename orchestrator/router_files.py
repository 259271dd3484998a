"""Fitted routers whose files are about other experts: told before an engine is loaded for them."""

from collections.abc import Iterator

from experts.components import parse
from orchestrator.config.model import Config
from routers.fitted.fitted_config import FittedConfig
from routers.fitted.known_experts import stranger
from routers.registry import FAMILY


def strangers(config: Config) -> Iterator[str]:
    """The routers that could choose none of the pool's experts, each with its key and the file."""
    experts = tuple(config.experts)
    for name, settings in config.routers.items():
        _, keys = parse(f"routers.{name}", settings, FAMILY, experts)
        if isinstance(keys, FittedConfig) and (why := stranger(name, keys, experts)) is not None:
            yield why
