"""Checks of experts that look at their weights, at each other, and at the slots."""

from collections.abc import Mapping
from typing import Any

from experts import own_engines
from experts.errors import ConfigError
from experts.fused.roles import fused
from experts.spec import ExpertSpecBase, HostedSpec, OwnSpec, TorchSpec, VllmSpec
from orchestrator.config.engine_arg_checks import check_engine_args
from orchestrator.config.memory_checks import check_memory
from orchestrator.config.sharing_checks import check_sharing
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
            problems += check_sharing(name, spec, experts, declared)
        if isinstance(spec, OwnSpec):
            problems += _check_own(name, spec)
    problems += check_engine_args(experts, slot_args, slots.gpus) + _check_pins(experts)
    problems += _check_stops(experts) + _check_embedders(experts)
    return problems + check_memory(experts, slots)


def _check_stops(experts: Mapping[str, ExpertSpecBase]) -> list[str]:
    """Texts that would end every answer before it begins."""
    return [
        f"experts.{name}.defaults.stop: an empty text would end every answer; leave it out."
        for name, spec in experts.items()
        if spec.defaults.stop == "" or (spec.defaults.stop and "" in tuple(spec.defaults.stop))
    ]


def _check_embedders(experts: Mapping[str, ExpertSpecBase]) -> list[str]:
    """Keys that only somebody who answers has use for."""
    problems = []
    for name, spec in experts.items():
        if not spec.embeds:
            continue
        answers = ("system", "defaults", "adapter_of", "same_as")
        given = [key for key in answers if key in spec.model_fields_set]
        problems += [
            f"experts.{name}.{key}: what gives embeddings (`task: embed`) has none; leave it out."
            for key in given
        ]
    return problems


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


def _check_pins(experts: Mapping[str, ExpertSpecBase]) -> list[str]:
    """Experts that should both stay and leave."""
    return [
        f"experts.{name}.max_idle_s: a pinned expert never leaves; drop `pin` or `max_idle_s`."
        for name, spec in experts.items()
        if isinstance(spec, HostedSpec) and spec.pin and spec.max_idle_s is not None
    ]
