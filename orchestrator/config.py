"""One YAML file becomes one frozen tree; every mistake is named with its path in the file."""

import difflib
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from experts.errors import ConfigError
from experts.spec import SPEC_KINDS, ExpertSpec, VllmSpec
from orchestrator.checks import cross_check

ExpertName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
CompositionName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9._+-]+$")
]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CompositionConfig(_Section):
    """A model name behind which a router decides."""

    router: str = Field(description="A name from `routers`.")
    about: str = Field("", description="Shown by /v1/models.")


class SlotsConfig(_Section):
    """The device groups that host experts: one Ray actor each."""

    count: int = Field(1, ge=1, le=256, description="How many slots to start.")
    cpus: int = Field(1, ge=1, description="CPU cores, and compute threads, of each slot.")
    gpus: float = Field(0, ge=0, description="GPUs of each slot, as Ray counts them.")
    memory_gb: float = Field(
        4.0, gt=0, description="Memory that a slot's process (or its GPU) may use."
    )
    engine_args: dict[str, Any] = Field(
        default_factory=dict, description="vLLM engine arguments for every expert, unchanged."
    )
    start_timeout_s: float = Field(120.0, gt=0, description="Longest wait for a slot's process.")
    load_timeout_s: float = Field(600.0, gt=0, description="Longest wait for one load.")
    preload: bool = Field(True, description="Load every expert that fits when the service starts.")


class RayConfig(_Section):
    """Where Ray is."""

    address: str | None = Field(
        None, description="None starts Ray here; else `auto`, `ray://HOST:PORT` or HOST:PORT."
    )


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


class Config(_Section):
    """The whole file."""

    version: Literal[1] = 1
    experts: dict[ExpertName, ExpertSpec] = Field(min_length=1)
    routers: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Name -> {type: ..., and the router's own keys}."
    )
    compositions: dict[CompositionName, CompositionConfig] = Field(default_factory=dict)
    slots: SlotsConfig = SlotsConfig()
    ray: RayConfig = RayConfig()
    server: ServerConfig = ServerConfig()

    def hosted(self) -> dict[str, VllmSpec]:
        """The experts that our slots run."""
        return {n: s for n, s in self.experts.items() if isinstance(s, VllmSpec)}


def load_config(path: Path) -> Config:
    """Read and check a file. Raises ConfigError with every problem found."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}.") from error
    try:
        tree = yaml.load(text, Loader=_UniqueKeyLoader)
    except yaml.YAMLError as error:
        raise ConfigError(
            f"{path} is not YAML.", problems=(" ".join(str(error).split()),)
        ) from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} must be a mapping with the key `experts`.")
    problems: list[str] = []
    tree = _fill_environment(tree, (), problems)
    _anchor_paths(tree, path.parent)
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        problems += [_explain(tree, problem) for problem in error.errors()]
    else:
        problems += cross_check(config.experts, config.compositions, config.routers)
    if problems:
        raise ConfigError(_headline(path, problems), problems=tuple(problems))
    return config


def _headline(path: Path, problems: list[str]) -> str:
    return f"{path} has {len(problems)} mistake{'s' if len(problems) > 1 else ''}."


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML silently keeps the last of two equal keys; a config file must not."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} appears twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


_ENVIRONMENT = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")


def _fill_environment(value: Any, path: tuple[str, ...], problems: list[str]) -> Any:
    if isinstance(value, dict):
        return {k: _fill_environment(v, (*path, str(k)), problems) for k, v in value.items()}
    if isinstance(value, list):
        return [_fill_environment(v, (*path, str(i)), problems) for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value

    def fill(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in os.environ:
            problems.append(f"{'.'.join(path)}: the environment variable {name} is not set.")
        return os.environ.get(name, "")

    return _ENVIRONMENT.sub(fill, value)


def _anchor_paths(tree: dict[str, Any], folder: Path) -> None:
    """Make the paths of models and router files absolute: relative ones start at the file."""
    sections = ((tree.get("experts"), "model"), (tree.get("routers"), "outcomes"))
    for section, key in sections:
        for entry in section.values() if isinstance(section, dict) else ():
            value = entry.get(key) if isinstance(entry, dict) else None
            if not isinstance(value, str) or (key == "model" and entry.get("type") != "vllm"):
                continue
            candidate = folder / Path(value).expanduser()
            looks_local = value.startswith((".", "/", "~")) or key != "model"
            if looks_local or candidate.exists():
                entry[key] = str(candidate.resolve())


def _explain(tree: Any, problem: Any) -> str:
    """pydantic's error as `path: what is wrong, what to do`."""
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
        if isinstance(node, dict) and part in node:
            node = node[part]
        elif isinstance(node, dict) and part == node.get("type") and not last:
            continue
        path.append(str(part))
    return path


def _known_keys(path: list[str], tree: Any) -> list[str]:
    if path[:1] == ["experts"] and len(path) == 2:
        return sorted(SPEC_KINDS[tree["experts"][path[1]]["type"]].model_fields)
    sections: dict[str, type[BaseModel]] = {
        "slots": SlotsConfig,
        "ray": RayConfig,
        "server": ServerConfig,
        "compositions": CompositionConfig,
    }
    return sorted((sections[path[0]] if path else Config).model_fields)
