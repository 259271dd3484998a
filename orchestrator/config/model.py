"""One YAML file becomes one frozen tree; every mistake is named with its path in the file."""

import difflib
import re
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from experts.errors import ConfigError
from experts.spec import SPEC_KINDS, ExpertSpec, HostedSpec
from orchestrator.config.budget import BudgetConfig
from orchestrator.config.checks import check_classes, check_memory, cross_check
from orchestrator.config.yaml_tree import anchor_paths, fill_environment, read_tree
from routers.learning import LearningConfig

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
CompositionName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9._+-]+$")
]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


DEFAULT_CLASS = "interactive"
BATCH_CLASS = "batch"


class RequestClass(_Section):
    """How long the requests of one kind of client may be made to wait."""

    max_wait_s: float | None = Field(
        gt=0, description="Age bound: the pool serves them before it; null: no bound."
    )


DEFAULT_CLASSES = {
    DEFAULT_CLASS: RequestClass(max_wait_s=10.0),
    BATCH_CLASS: RequestClass(max_wait_s=None),
}


class CompositionConfig(_Section):
    """A model name behind which a router decides."""

    router: str = Field(description="A name from `routers`.")
    aggregator: str | dict[str, Any] | None = Field(
        None,
        description="Several experts answer, and it makes one answer of theirs: a name from"
        " `aggregators`, a type with its defaults, or {type: ..., and keys}; null: one answers.",
    )
    experts: int = Field(
        3,
        ge=1,
        le=64,
        description="How many answer together, where the router recruits nobody itself.",
    )
    budget: BudgetConfig = Field(
        BudgetConfig(), description="What one answer of several experts may cost, at most."
    )
    quorum: int = Field(
        1, ge=1, le=64, description="Answers without which nobody goes on at the deadline."
    )
    deadline_s: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Seconds after which slow experts are left out, if the quorum has answered;"
        " null: the budget's.",
    )
    about: str = Field("", description="Shown by /v1/models.")
    request_class: str | None = Field(
        None,
        alias="class",
        description="A name from `classes`, for clients that choose none; null: interactive.",
    )
    quality_weight: float = Field(
        1.0,
        gt=0,
        le=1,
        description="1 asks whoever is best; below, the rest of it weighs the expert's price, as"
        " share of the dearest one's. `coterie router calibrate` finds it.",
    )
    load_price: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="Predicted quality that one second of waiting for a load may cost.",
    )
    learning: LearningConfig | None = Field(
        None, description="Learn from clients' feedback (POST /coterie/feedback); off by default."
    )

    @model_validator(mode="after")
    def _one_way_to_choose(self) -> "CompositionConfig":
        if self.learning and (self.load_price or self.quality_weight < 1):
            raise ValueError("learning chooses by itself: leave out quality_weight and load_price")
        if self.aggregator and (self.learning or self.load_price or self.quality_weight < 1):
            raise ValueError(
                "an aggregator asks several experts: leave out learning, quality_weight and"
                " load_price"
            )
        return self


class SlotsConfig(_Section):
    """The device groups that host experts: one Ray actor each."""

    count: int = Field(1, ge=1, le=256, description="How many slots to start.")
    cpus: int = Field(1, ge=1, description="CPU cores, and compute threads, of each slot.")
    gpus: float | None = Field(
        None, ge=0, description="GPUs of each slot, as Ray counts them; None: one where there are."
    )
    memory_gb: float = Field(
        4.0, gt=0, description="Memory that a slot's process (or its GPU) may use."
    )
    engine_args: dict[str, Any] = Field(
        default_factory=dict, description="vLLM engine arguments for every expert, unchanged."
    )
    gather_ms: float = Field(
        10.0,
        ge=0,
        description="Longest wait of a CPU engine's step for requests that have just come in.",
    )
    start_timeout_s: float = Field(120.0, gt=0, description="Longest wait for a slot's process.")
    load_timeout_s: float = Field(600.0, gt=0, description="Longest wait for one load.")
    drain_timeout_s: float = Field(
        60.0,
        gt=0,
        description="How long requests may keep an expert that must leave; then they are aborted.",
    )
    preload: bool = Field(True, description="Load every expert that fits when the service starts.")
    stage_loads: float = Field(
        20.0,
        ge=0,
        description="Patience of requests without an age bound, in load times of their expert.",
    )
    rate_window_s: float = Field(
        120.0, gt=0, description="Over how many seconds arrival rates forget."
    )
    sleep_level: Literal[0, 1, 2] = Field(
        1, description="vLLM's sleep level for experts that leave a GPU; 0 drops them."
    )
    host_memory_gb: float = Field(
        32.0, ge=0, description="Host memory of each slot for experts that sleep (level 1)."
    )
    canary_tokens: int = Field(
        8, ge=0, description="Tokens that must come back unchanged after a load; 0: no check."
    )
    leak_tolerance_gb: float = Field(
        0.25, ge=0, description="Memory that may stay taken when an expert has left."
    )
    retry_load_s: float = Field(
        1.0, gt=0, description="Wait after a failed load; doubled for every further one."
    )
    retry_load_max_s: float = Field(120.0, gt=0, le=120, description="Longest such wait.")


class RayConfig(_Section):
    """Where Ray is."""

    address: str | None = Field(
        None, description="None starts Ray here; else `auto`, `ray://HOST:PORT` or HOST:PORT."
    )


class ApiKey(_Section):
    """A key that clients may use."""

    key: str = Field(description="The key itself, usually ${env:NAME}.", repr=False)
    request_class: str = Field(
        DEFAULT_CLASS,
        alias="class",
        description="A name from `classes`, for requests that choose none.",
    )

    @field_validator("key")
    @classmethod
    def _fits_a_header(cls, value: str) -> str:
        if not re.fullmatch(r"[!-~]+", value):
            raise ValueError("must be visible ASCII letters without spaces, at least one")
        return value


class ServerConfig(_Section):
    """The HTTP listener and its bounds."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535, description="0 takes a free port.")
    max_body_mb: float = Field(16.0, gt=0, description="Larger request bodies get HTTP 413.")
    max_in_flight: int = Field(4096, ge=1, description="Further requests get HTTP 429.")
    lease_timeout_s: float = Field(
        300.0, gt=0, description="Longest wait for a turn and a load; then HTTP 504."
    )
    retries: int = Field(
        1, ge=0, le=5, description="New tries when an expert fails before its first token."
    )
    max_embedding_inputs: int = Field(2048, ge=1, description="Texts in one embeddings call.")
    comment_after_s: float | None = Field(
        1.0,
        gt=0,
        description="A stream that has not begun by then tells in comments what it waits for;"
        " null: it never does.",
    )
    comment_interval_s: float = Field(
        5.0, gt=0, description="Seconds from one such comment to the next."
    )
    api_keys: dict[Name, ApiKey] = Field(
        default_factory=dict,
        description="Name -> {key, class}; where there is any, requests need one of them.",
    )


class FeedbackConfig(_Section):
    """What is kept of clients' scores."""

    remember: int = Field(
        10_000, ge=0, description="Last answers of compositions that can still be scored."
    )
    file: Path | None = Field(
        None, description="JSON lines of scored answers, for `coterie outcomes add`."
    )


class Config(_Section):
    """The whole file."""

    version: Literal[1] = 1
    experts: dict[Name, ExpertSpec] = Field(min_length=1)
    routers: dict[Name, dict[str, Any]] = Field(
        default_factory=dict, description="Name -> {type: ..., and the router's own keys}."
    )
    aggregators: dict[Name, dict[str, Any]] = Field(
        default_factory=dict, description="Name -> {type: ..., and the aggregator's own keys}."
    )
    compositions: dict[CompositionName, CompositionConfig] = Field(default_factory=dict)
    classes: dict[Name, RequestClass] = Field(
        default_factory=lambda: dict(DEFAULT_CLASSES),
        description="Request classes; `interactive` (10 s) and `batch` (no bound) always exist.",
    )
    slots: SlotsConfig = SlotsConfig()
    ray: RayConfig = RayConfig()
    store: str = Field(
        "memory",
        pattern=r"^(memory|rediss?://.+)$",
        description="`memory`, or `redis://HOST:PORT/DB`: what must survive a restart.",
    )
    server: ServerConfig = ServerConfig()
    feedback: FeedbackConfig = FeedbackConfig()

    @field_validator("classes")
    @classmethod
    def _beside_the_defaults(cls, value: dict[str, RequestClass]) -> dict[str, RequestClass]:
        return DEFAULT_CLASSES | value

    def hosted(self) -> dict[str, HostedSpec]:
        """The experts that our slots run."""
        return {n: s for n, s in self.experts.items() if isinstance(s, HostedSpec)}


def load_config(path: Path) -> Config:
    """Read and check a file. Raises ConfigError with every problem found."""
    problems: list[str] = []
    tree = fill_environment(read_tree(path), problems)
    anchor_paths(tree, path.parent)
    config: Config | None = None
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        problems += [_explain(tree, problem) for problem in error.errors()]
    problems += _between_keys(tree)
    if problems or config is None:
        count = f"{len(problems)} mistake{'s' if len(problems) > 1 else ''}"
        raise ConfigError(f"{path} has {count}.", problems=tuple(problems))
    return config


def _between_keys(tree: dict[str, Any]) -> list[str]:
    """The checks that look at several keys, over the entries that are right by themselves."""
    names = ("experts", "compositions", "routers", "aggregators", "classes", "server")
    sections = [tree.get(name) for name in names]
    experts, compositions, routers, aggregators, classes, server = (
        s if isinstance(s, dict) else {} for s in sections
    )
    api_keys = server.get("api_keys")
    slots = tree.get("slots")
    slot_gb = (slots if isinstance(slots, dict) else {}).get("memory_gb", SlotsConfig().memory_gb)
    specs = _valid(TypeAdapter(ExpertSpec), experts)
    parts = _valid(TypeAdapter(CompositionConfig), compositions)
    keys = _valid(TypeAdapter(ApiKey), api_keys if isinstance(api_keys, dict) else {})
    return [
        *cross_check(
            specs,
            parts,
            {"router": _mappings(routers), "aggregator": _mappings(aggregators)},
            declared=frozenset(map(str, experts)),
        ),
        *(check_memory(specs, slot_gb) if isinstance(slot_gb, int | float) else ()),
        *check_classes([*DEFAULT_CLASSES, *map(str, classes)], parts, keys),
    ]


def _mappings(entries: dict[Any, Any]) -> dict[str, dict[str, Any]]:
    return {str(name): entry for name, entry in entries.items() if isinstance(entry, dict)}


def _valid(kind: TypeAdapter[Any], entries: dict[Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, entry in entries.items():
        with suppress(ValidationError):  # It is reported already.
            found[str(name)] = kind.validate_python(entry)
    return found


def _explain(tree: Any, problem: Any) -> str:
    """Pydantic's error as `path: what is wrong, what to do`."""
    path = _path_in_file(tree, problem["loc"])
    where = ".".join(path) or "(top level)"
    kind, message = problem["type"], problem["msg"]
    if kind == "extra_forbidden":
        known = _known_keys(path[:-1], tree)
        near = difflib.get_close_matches(path[-1], known, n=1)
        hint = f" Did you mean `{near[0]}`?" if near else f" Known keys: {', '.join(known)}."
        return f"{where}: unknown key.{hint if known else ''}"
    if kind == "missing":
        return f"{where}: this key is required."
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return (
            f"{where}.type: must be one of {problem['ctx'].get('expected_tags', 'vllm, openai')}."
        )
    if kind == "string_pattern_mismatch":
        return f"{where}: the name must match {problem['ctx']['pattern']}."
    return f"{where}: {message[0].lower()}{message[1:]}."


def _path_in_file(tree: Any, location: tuple[Any, ...]) -> list[str]:
    """The location without the parts that pydantic adds (union tags, `[key]`)."""
    path: list[str] = []
    node = tree
    for i, part in enumerate(location):
        last = i == len(location) - 1
        if part == "[key]":
            continue
        is_tag = isinstance(node, dict) and part == node.get("type") and len(path) == 2
        if is_tag and not last:
            continue
        if isinstance(node, dict):
            node = {str(key): value for key, value in node.items()}.get(str(part))
        path.append(str(part))
    return path


def _known_keys(path: list[str], tree: Any) -> list[str]:
    if path[:1] == ["experts"] and len(path) == 2:
        entries = {str(name): entry for name, entry in tree["experts"].items()}
        return sorted(SPEC_KINDS[entries[path[1]]["type"]].model_fields)
    if path[:2] == ["server", "api_keys"]:
        return _keys_of(ApiKey)
    sections: dict[str, type[BaseModel]] = {
        "classes": RequestClass,
        "slots": SlotsConfig,
        "ray": RayConfig,
        "server": ServerConfig,
        "compositions": CompositionConfig,
    }
    return _keys_of(sections[path[0]] if path else Config)


def _keys_of(section: type[BaseModel]) -> list[str]:
    return sorted(field.alias or name for name, field in section.model_fields.items())
