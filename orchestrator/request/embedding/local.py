"""Experts that embed as encoders where no service runs: the same weights, in this process."""

from collections.abc import Callable

from experts.components import load
from experts.errors import ConfigError
from experts.spec import HostedSpec
from orchestrator.config.model import Config
from routers.base import Encoder
from routers.registry import SENTENCE_ENCODER


def local_embedder(config: Config) -> Callable[[str], Encoder]:
    """What makes the encoder that is the expert of a name; that raises ConfigError."""

    def make(expert: str) -> Encoder:
        spec = config.experts[expert]
        if not isinstance(spec, HostedSpec):
            raise ConfigError(
                f"`{expert}` is on another server, which only a running service asks.",
                hint="Without the key `artifact`, the service fits the router when it starts.",
            )
        made: Encoder = load(SENTENCE_ENCODER)(spec.model)
        return made

    return make
