"""One YAML file becomes one frozen tree; every mistake is named with its path in the file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError, field_validator

from experts.errors import ConfigError
from experts.mistakes import explain
from experts.spec import ExpertSpec, HostedSpec
from orchestrator.config.anchoring import SQLITE, anchor_paths
from orchestrator.config.batches_section import BatchesConfig
from orchestrator.config.checks import between_keys, share_models, vectors_of
from orchestrator.config.keys.section import ApiKey
from orchestrator.config.sections import (
    BATCH_CLASS,
    DEFAULT_CLASS,
    DEFAULT_CLASSES,
    CompositionConfig,
    CompositionName,
    Name,
    RequestClass,
    Section,
)
from orchestrator.config.server_section import FeedbackConfig, ServerConfig
from orchestrator.config.slots_section import RayConfig, SlotsConfig
from orchestrator.config.telemetry.section import MetricsConfig, TracesConfig
from orchestrator.config.yaml_tree import (
    fill_environment,
    put,
    read_otherwise,
    read_tree,
    variables_of,
    with_its_variable,
)
from orchestrator.store.urls import addresses_of, split_url

__all__ = [
    "BATCH_CLASS",
    "DEFAULT_CLASS",
    "ApiKey",
    "CompositionConfig",
    "Config",
    "FeedbackConfig",
    "MetricsConfig",
    "RayConfig",
    "RequestClass",
    "ServerConfig",
    "SlotsConfig",
    "TracesConfig",
    "config_of",
    "load_config",
]


class Config(Section):
    """A pool: the experts, and what chooses, combines, hosts and serves them."""

    model_config = ConfigDict(json_schema_extra={"patternProperties": {"^x-": {}}})

    version: Literal[1] = Field(1, description="The version of the file's format.")
    experts: dict[Name, ExpertSpec] = Field(
        min_length=1, description="The models that can answer, by name."
    )
    routers: dict[Name, dict[str, Any]] = Field(
        default_factory=dict,
        description="What chooses experts, by name: a mapping of `type` and the router's own keys.",
    )
    aggregators: dict[Name, dict[str, Any]] = Field(
        default_factory=dict,
        description="What makes one answer of several, by name: a mapping of `type` and the"
        " aggregator's own keys.",
    )
    compositions: dict[CompositionName, CompositionConfig] = Field(
        default_factory=dict,
        description="Model names, such as pool/auto, behind which a router chooses.",
    )
    classes: dict[Name, RequestClass] = Field(
        default_factory=lambda: dict(DEFAULT_CLASSES),
        description="How long requests may wait, by class; `interactive` (10 s) and `batch` (no"
        " bound) always exist.",
    )
    slots: SlotsConfig = Field(SlotsConfig(), description="The processes that host experts.")
    ray: RayConfig = Field(
        RayConfig(), description="The Ray that runs the slots: one started here, or a cluster."
    )
    store: str = Field(
        "memory",
        repr=False,
        json_schema_extra={"pattern": "^(memory|sqlite:.+|rediss?://.+)$"},
        description="Where measured costs, what was learned, files and batches are kept: `memory`"
        " forgets them with the service, `sqlite:FILE` (relative to this file) and"
        " `redis://HOST:PORT/DB` (or rediss://; several HOST:PORT with commas are the servers among"
        " which the primary is looked for) keep them. Where nothing is said, `coterie serve` keeps"
        " them in a file of the user's, below $XDG_STATE_HOME or ~/.local/state.",
    )
    server: ServerConfig = Field(
        ServerConfig(), description="Where the gateway listens, who may use it, and its bounds."
    )
    batches: BatchesConfig = Field(
        BatchesConfig(), description="Bounds of files and batches, and how batches are run."
    )
    feedback: FeedbackConfig = Field(
        FeedbackConfig(),
        description="How many answers can still be scored, and the file for the scores.",
    )
    traces: TracesConfig = Field(
        TracesConfig(),
        description="Where it is told what happened to requests: a file, a collector of"
        " OpenTelemetry, and `GET /coterie/requests/ID`.",
    )
    metrics: MetricsConfig = Field(
        MetricsConfig(), description="What /metrics has beside the gateway's own numbers."
    )

    @field_validator("classes")
    @classmethod
    def _beside_the_defaults(cls, value: dict[str, RequestClass]) -> dict[str, RequestClass]:
        return DEFAULT_CLASSES | value

    @field_validator("store")
    @classmethod
    def _of_a_known_kind(cls, value: str) -> str:
        if value != "memory" and not value.startswith(SQLITE) and not _is_redis(value):
            raise ValueError(
                "must be `memory`, sqlite:FILE, or redis://HOST:PORT/DB (rediss:// with TLS), with"
                " the characters @ : / ? # of a password percent-encoded"
            )
        return value

    @property
    def answering(self) -> dict[str, ExpertSpec]:
        """The experts that give answers: those that routers and panels choose among."""
        return {n: s for n, s in self.experts.items() if not s.embeds}

    @property
    def embedders(self) -> dict[str, str]:
        """The experts that give embeddings, and by what name their vectors are known."""
        return {n: vectors_of(s) for n, s in self.experts.items() if s.embeds}

    def hosted(self) -> dict[str, HostedSpec]:
        """The experts that our slots run."""
        return {n: s for n, s in self.experts.items() if isinstance(s, HostedSpec)}

    def written(self) -> dict[str, Path | None]:
        """The files to which a service adds lines, by the keys that name them."""
        return {"traces.file": self.traces.file, "feedback.file": self.feedback.file}


def load_config(path: Path) -> Config:
    """Read and check a file. Raises ConfigError with every problem found."""
    return config_of(read_tree(path), path)


def config_of(written: Mapping[str, Any], path: Path) -> Config:
    """The configuration of what `path` has, or would have, written in it.

    Raises ConfigError with every problem found.
    """
    problems: list[str] = []
    tree = fill_environment(written, problems)
    unfilled = tuple(_place(problem) for problem in problems)
    doubled = share_models(tree)
    anchor_paths(tree, path.parent, Config)
    config, found = _checked(tree)
    otherwise = read_otherwise(written) if found else {}
    if meant := {_place(problem) for problem in found} & otherwise.keys():
        for place in meant:
            put(tree, place, otherwise[place])
        config, found = _checked(tree)
    found += doubled
    # Where a variable is missing, nothing else that is wrong there is of use.
    variables = variables_of(written) if found else {}
    problems += [
        with_its_variable(problem, variables)
        for problem in found
        if _place(problem) not in unfilled
    ]
    if problems or config is None:
        count = f"{len(problems)} mistake{'s' if len(problems) > 1 else ''}"
        raise ConfigError(f"{path} has {count}.", problems=tuple(problems))
    return config


def _checked(tree: dict[str, Any]) -> tuple[Config | None, list[str]]:
    """The configuration, unless a key alone is wrong, and every mistake with its path."""
    try:
        return Config.model_validate(tree), between_keys(tree)
    except ValidationError as error:
        return None, [*explain(Config, error), *between_keys(tree)]


def _place(problem: str) -> str:
    return problem.partition(": ")[0]


def _is_redis(url: str) -> bool:
    """Whether a URL names a host, and no part of a password is taken for something else."""
    try:
        parts = split_url(url)
        named = parts.scheme in ("redis", "rediss") and bool(addresses_of(url))
        return named and "@" not in parts.path + parts.query + parts.fragment
    except ValueError:
        return False
