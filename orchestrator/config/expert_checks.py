"""Checks of experts that look at their weights, at each other, and at the slots."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experts import own_engines
from experts.errors import ConfigError
from experts.footprint.adapter_fit import misfit
from experts.fused.roles import fused
from experts.spec import ExpertSpecBase, HostedSpec, OwnSpec, TorchSpec, VllmSpec
from orchestrator.config.engine_arg_checks import check_engine_args
from orchestrator.config.memory_checks import check_memory
from orchestrator.config.slots_section import SlotsConfig
from orchestrator.config.weight_checks import check_weights


def check_experts(
    experts: Mapping[str, ExpertSpecBase],
    declared: frozenset[str],
    slots: SlotsConfig,
    slot_args: Mapping[str, Any],
) -> list[str]:
    """Every problem of the experts that are right by themselves, each with its path.

    `declared` are the names of all experts in the file, also of those with mistakes; `slot_args`
    are the engine arguments of all of them.
    """
    problems: list[str] = []
    for name, spec in experts.items():
        if isinstance(spec, HostedSpec):
            problems += check_weights(name, spec) + _check_kind(name, spec)
        if isinstance(spec, VllmSpec):
            problems += _check_adapter(name, spec, experts, declared)
            problems += _check_same(name, spec, experts, declared)
        if isinstance(spec, OwnSpec):
            problems += _check_own(name, spec)
    problems += check_engine_args(experts, slot_args, slots.gpus) + _check_pins(experts)
    return problems + check_memory(experts, slots)


def _check_own(name: str, spec: OwnSpec) -> tuple[str, ...]:
    try:
        own_engines.check(name, spec)
    except ConfigError as error:
        return error.problems
    return ()


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
    if (fault := misfit(Path(spec.model), Path(base.model))) is not None:
        return [f"{where}.adapter_of: {fault}."]
    if spec.engine_args:
        return [
            f"{where}.engine_args: an adapter shares the engine of `{spec.adapter_of}`;"
            " put the arguments there."
        ]
    return []


def _check_same(
    name: str,
    spec: VllmSpec,
    experts: Mapping[str, ExpertSpecBase],
    declared: frozenset[str],
) -> list[str]:
    """An expert that is another one in a different role has nothing of its own to load."""
    if spec.same_as is None:
        return []
    where, base = f"experts.{name}", experts.get(spec.same_as)
    if base is None:
        known = spec.same_as in declared
        return [] if known else [f"{where}.same_as: no expert is called `{spec.same_as}`."]
    if not isinstance(base, VllmSpec) or base.base is not None:
        return [
            f"{where}.same_as: `{spec.same_as}` is not a vllm expert with own weights; an adapter"
            " in another role is another expert with the same `adapter_of` and `model`."
        ]
    problems = []
    if spec.adapter_of is not None:
        problems.append(f"{where}.adapter_of: leave it out, or `same_as`.")
    if spec.model != base.model:
        problems.append(f"{where}.model: `{spec.same_as}` names the model; leave it out here.")
    if spec.engine_args:
        problems.append(
            f"{where}.engine_args: it shares the engine of `{spec.same_as}`; put the arguments"
            " there."
        )
    return problems


def _check_pins(experts: Mapping[str, ExpertSpecBase]) -> list[str]:
    """Experts that should both stay and leave."""
    return [
        f"experts.{name}.max_idle_s: a pinned expert never leaves; drop `pin` or `max_idle_s`."
        for name, spec in experts.items()
        if isinstance(spec, HostedSpec) and spec.pin and spec.max_idle_s is not None
    ]
