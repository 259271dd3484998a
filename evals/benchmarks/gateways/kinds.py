"""The gateways that are compared: how each is started, with the settings that it has by itself.

Set is only what says where the engine is and where to listen; for ours, that the engine takes a
thousand requests at once; and for LiteLLM what it does not start without: that it needs no key, and
reads its prices from its own package, not from the net.
"""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evals.benchmarks.gateways.fake_engine import MODEL

OURS = "coterie"
TWO_OF_OURS = "coterie, 2 workers"
LITELLM = "litellm"
SMG = "smg"
VLLM_ROUTER = "vllm-router"
BARE = "engine"
"""The engine without a gateway."""
AT_ONCE = 1024
_LITELLMS = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
}


@dataclass(frozen=True, slots=True)
class Place:
    """What a gateway is started with."""

    folder: Path
    """For its files."""
    engine: str
    """The engine's URL, without /v1."""
    port: int
    metrics_port: int
    """Of those that have a second listener, which must not clash."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One gateway."""

    name: str
    program: Path
    arguments: Callable[[Place], list[str]]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def installed(self) -> bool:
        """Whether it can be measured here."""
        return self.program.exists()


def our_own() -> Kind:
    """Coterie, from the code of this process."""
    return Kind(OURS, Path(sys.executable), _ours)


def kinds(venv: Path) -> list[Kind]:
    """All of them, ours first; `venv` has those of others."""
    programs = venv.resolve() / "bin"
    return [
        our_own(),
        Kind(TWO_OF_OURS, Path(sys.executable), _two_of_ours),
        Kind(SMG, programs / SMG, _smg),
        Kind(VLLM_ROUTER, programs / VLLM_ROUTER, _vllm_router),
        Kind(LITELLM, programs / LITELLM, _litellm, _LITELLMS),
    ]


def _ours(place: Place) -> list[str]:
    file = place.folder / "coterie.yaml"
    # JSON is YAML.
    expert = {
        "type": "openai",
        "base_url": f"{place.engine}/v1",
        "model": MODEL,
        "about": "Fake.",
        "max_in_flight": AT_ONCE,
    }
    file.write_text(json.dumps({"experts": {MODEL: expert}}), encoding="utf-8")
    own = ["-m", "orchestrator", "serve", "--config", str(file)]
    return [*own, "--host", "127.0.0.1", "--port", str(place.port)]


def _two_of_ours(place: Place) -> list[str]:
    return [*_ours(place), "--workers", "2"]


def _litellm(place: Place) -> list[str]:
    file = place.folder / "litellm.yaml"
    parameters = {"model": f"openai/{MODEL}", "api_base": f"{place.engine}/v1", "api_key": "none"}
    models = [{"model_name": MODEL, "litellm_params": parameters}]
    file.write_text(json.dumps({"model_list": models}), encoding="utf-8")
    return ["--config", str(file), "--host", "127.0.0.1", "--port", str(place.port)]


def _smg(place: Place) -> list[str]:
    return ["launch", *_routed(place)]


def _vllm_router(place: Place) -> list[str]:
    return _routed(place)


def _routed(place: Place) -> list[str]:
    listeners = ["--port", str(place.port), "--prometheus-port", str(place.metrics_port)]
    return ["--worker-urls", place.engine, "--host", "127.0.0.1", *listeners]
