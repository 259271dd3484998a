"""Checks of a configuration that look at several keys, or at files, at once."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from aggregators.registry import AGGREGATORS
from aggregators.registry import check as check_aggregator
from experts.errors import ConfigError
from experts.fused.roles import fused
from experts.spec import ExpertSpecBase, HostedSpec, TorchSpec, VllmSpec
from routers.registry import check as check_router

RESERVED = "coterie/"
CHECKS = {
    "router": check_router,
    "aggregator": lambda name, *rest: check_aggregator(f"aggregators.{name}", *rest),
}
TYPES: Mapping[str, Mapping[str, str]] = {"router": {}, "aggregator": AGGREGATORS}
"""Which of them may stand for themselves, with their defaults."""


class _Composition(Protocol):
    @property
    def router(self) -> str: ...
    @property
    def aggregator(self) -> str | dict[str, Any] | None: ...
    @property
    def request_class(self) -> str | None: ...


class _ApiKey(Protocol):
    @property
    def key(self) -> str: ...
    @property
    def request_class(self) -> str: ...


def cross_check(
    experts: Mapping[str, ExpertSpecBase],
    compositions: Mapping[str, _Composition],
    parts: Mapping[str, Mapping[str, Mapping[str, Any]]],
    declared: frozenset[str],
) -> list[str]:
    """Every problem that a single key cannot show, each with its path.

    `parts` are the entries under `routers` and `aggregators`, by "router" and "aggregator", and
    `declared` the names of all experts in the file, also of those with mistakes of their own.
    """
    problems: list[str] = []
    for name, spec in experts.items():
        if isinstance(spec, HostedSpec):
            problems += _check_weights(name, spec) + _check_kind(name, spec)
        if isinstance(spec, VllmSpec):
            problems += _check_adapter(name, spec, experts, declared)
    for name, composition in compositions.items():
        problems += _check_composition(name, composition, parts, tuple(declared))
    for kind, check in CHECKS.items():
        for name, settings in parts[kind].items():
            try:
                check(name, settings, tuple(declared))
            except ConfigError as error:
                problems += error.problems or (str(error),)
    return problems


def _check_composition(
    name: str,
    composition: _Composition,
    parts: Mapping[str, Mapping[str, Any]],
    experts: tuple[str, ...],
) -> list[str]:
    where = f"compositions.{name}"
    problems: list[str] = []
    if name.startswith(RESERVED):
        problems.append(f"{where}: names under {RESERVED} are the service's own.")
    for kind, known in parts.items():
        wanted = getattr(composition, kind)
        if isinstance(wanted, dict):
            try:
                check_aggregator(f"{where}.{kind}", wanted, experts)
            except ConfigError as error:
                problems += error.problems or (str(error),)
        elif wanted is not None and wanted not in {**known, **TYPES[kind]}:
            names = ", ".join({**known, **TYPES[kind]}) or "none is configured"
            problems.append(f"{where}.{kind}: no {kind} is called `{wanted}` (known: {names}).")
    return problems


def check_classes(
    classes: Sequence[str],
    compositions: Mapping[str, _Composition],
    api_keys: Mapping[str, _ApiKey],
) -> list[str]:
    """Request classes that do not exist, and API keys that two names share; shows no key."""
    named = {f"compositions.{name}": c.request_class for name, c in compositions.items()}
    named |= {f"server.api_keys.{name}": k.request_class for name, k in api_keys.items()}
    known = ", ".join(dict.fromkeys(classes))
    problems = [
        f"{path}.class: no request class is called `{name}` (known: {known})."
        for path, name in named.items()
        if name is not None and name not in classes
    ]
    owners: dict[str, str] = {}
    for name, entry in api_keys.items():
        if (owner := owners.setdefault(entry.key, name)) != name:
            problems.append(f"server.api_keys.{name}.key: `{owner}` has the same key.")
    return problems


def _check_weights(name: str, spec: HostedSpec) -> list[str]:
    where = f"experts.{name}.model"
    folder = Path(spec.model)
    if not folder.is_absolute():
        return []  # A hub id: only the engine can tell.
    config = "adapter_config.json" if spec.base else "config.json"
    if not folder.is_dir():
        return [f"{where}: there is no folder {spec.model}."]
    if not (folder / config).is_file():
        return [f"{where}: {spec.model} has no {config}."]
    try:
        json.loads((folder / config).read_text(encoding="utf-8"))
    except ValueError as error:
        return [f"{where}: {folder / config} is not JSON ({error})."]
    if not any(any(folder.glob(pattern)) for pattern in ("*.safetensors", "*.bin", "*.pt")):
        return [f"{where}: {spec.model} has no weights (*.safetensors, *.bin or *.pt)."]
    return []


def _check_kind(name: str, spec: HostedSpec) -> list[str]:
    """Who runs a fused expert depends on its members' tokenizers."""
    model = fused(spec.model)
    if isinstance(spec, TorchSpec) and (model is None or not model.listeners):
        return [
            f"experts.{name}.type: `torch` is for Mixtures of Thoughts whose members have different"
            " tokenizers; use `vllm`, which is much faster."
        ]
    if isinstance(spec, VllmSpec) and model is not None and model.listeners:
        return [
            f"experts.{name}.type: {', '.join(model.listeners)} have tokenizers of their own, which"
            " vLLM cannot serve beside the others; use `torch`, which is slower."
        ]
    return []


def _check_adapter(
    name: str,
    spec: VllmSpec,
    experts: Mapping[str, ExpertSpecBase],
    declared: frozenset[str],
) -> list[str]:
    if spec.adapter_of is None:
        return []
    where = f"experts.{name}"
    base = experts.get(spec.adapter_of)
    if base is None and spec.adapter_of in declared:
        return []
    if base is None:
        return [f"{where}.adapter_of: no expert is called `{spec.adapter_of}`."]
    if not isinstance(base, VllmSpec) or base.adapter_of is not None:
        return [f"{where}.adapter_of: `{spec.adapter_of}` is not a vllm expert with own weights."]
    if spec.engine_args:
        return [
            f"{where}.engine_args: an adapter shares the engine of `{spec.adapter_of}`;"
            " put the arguments there."
        ]
    return []


def check_memory(experts: Mapping[str, ExpertSpecBase], slot_gb: float) -> list[str]:
    """Experts that no slot can hold, or that should both stay and leave.

    Where no size is given, the files of the weights tell the least that it can be.
    """
    hosted = {n: s for n, s in experts.items() if isinstance(s, HostedSpec)}
    sizes = {n: s.memory_gb or _weights_gb(s.model) for n, s in hosted.items() if s.base is None}
    problems = [
        f"experts.{name}.memory_gb: {size:.2f} GB do not fit into a slot of {slot_gb:g} GB"
        " (slots.memory_gb)."
        for name, size in sizes.items()
        if size > slot_gb
    ]
    return problems + [
        f"experts.{name}.max_idle_s: a pinned expert never leaves; drop `pin` or `max_idle_s`."
        for name, spec in hosted.items()
        if spec.pin and spec.max_idle_s is not None
    ]


def _weights_gb(model: str) -> float:
    files = Path(model).glob("*.safetensors") if Path(model).is_absolute() else ()
    return float(sum(file.stat().st_size for file in files)) / (1 << 30)


_PROFILE = "`coterie profile --config FILE`"
_WRITERS = {
    "outcomes": _PROFILE,
    "leads": _PROFILE,
    "artifact": "`coterie router fit {name} --config FILE`",
}
_FUSED = "mixture_of_thoughts"


def missing_files(routers: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Files that routers read and that are not there (yet), with who writes them."""
    return [
        f"routers.{name}.{key}: there is no file {settings[key]}. {_writer(name, settings, key)}"
        " writes it."
        for name, settings in routers.items()
        for key in _WRITERS
        if settings.get(key) and not Path(str(settings[key])).is_file()
    ]


def _writer(name: str, settings: Mapping[str, Any], key: str) -> str:
    if key == "artifact" and settings.get("type") == _FUSED:
        return "`coterie fuse mixture-of-thoughts`"
    return _WRITERS[key].format(name=name)
