"""Checks of experts that share another one's engine: adapters, and further roles of a model."""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path

from experts.footprint.adapter_fit import misfit
from experts.spec import ExpertSpecBase, VllmSpec

Experts = Mapping[str, ExpertSpecBase]


def check_sharing(
    name: str, spec: VllmSpec, experts: Experts, declared: frozenset[str]
) -> list[str]:
    """Every problem of `adapter_of` and `same_as`, each with its path.

    `declared` are the names of all experts in the file, also of those with mistakes.
    """
    if spec.adapter_of is not None and spec.same_as is not None:
        return [
            f"experts.{name}: `adapter_of` and `same_as` exclude each other; a LoRA adapter has"
            " the first, another role of a model the second."
        ]
    if spec.adapter_of is not None:
        return list(_check_adapter(name, spec, spec.adapter_of, experts, declared))
    if spec.same_as is not None:
        return list(_check_same(name, spec, spec.same_as, experts, declared))
    return []


def _check_adapter(
    name: str, spec: VllmSpec, base_name: str, experts: Experts, declared: frozenset[str]
) -> Iterator[str]:
    where, base = f"experts.{name}", experts.get(base_name)
    if base is None:
        yield from _unknown(f"{where}.adapter_of", name, base_name, declared)
        return
    if (why := _no_base(base_name, base, "an adapter")) is not None:
        yield f"{where}.adapter_of: {why}"
        return
    assert isinstance(base, VllmSpec)
    if (fault := misfit(Path(spec.model), Path(base.model))) is not None:
        yield f"{where}.adapter_of: {fault}."
    elif spec.engine_args:
        yield (
            f"{where}.engine_args: an adapter shares the engine of `{base_name}`;"
            " put the arguments there."
        )


def _check_same(
    name: str, spec: VllmSpec, base_name: str, experts: Experts, declared: frozenset[str]
) -> Iterator[str]:
    """An expert that is another one in a different role has nothing of its own to load."""
    where, base = f"experts.{name}", experts.get(base_name)
    if name == base_name:
        yield f"{where}.same_as: it names itself; name the expert whose model it shares."
        return
    if base is None:
        yield from _unknown(f"{where}.same_as", name, base_name, declared)
        return
    if (why := _no_base(base_name, base, "another role")) is not None:
        yield f"{where}.same_as: {why}"
        return
    assert isinstance(base, VllmSpec)
    if spec.engine_args:
        yield (
            f"{where}.engine_args: it shares the engine of `{base_name}`; put the arguments there."
        )


def _no_base(base_name: str, base: ExpertSpecBase, what: str) -> str | None:
    """Why an expert has no engine of vLLM that another one could share."""
    if not isinstance(base, VllmSpec):
        kind = getattr(base, "type", "another type")
        return f"`{base_name}` is of type {kind}; {what} needs an expert of type vllm."
    if base.embeds:
        return f"`{base_name}` gives embeddings (`task: embed`); {what} needs one that answers."
    if base.same_as is not None:
        return f"`{base_name}` is itself a role of `{base.same_as}`; name `{base.same_as}` here."
    if base.adapter_of is not None and what == "an adapter":
        return (
            f"`{base_name}` is itself an adapter of `{base.adapter_of}`; name the expert that has"
            " the model."
        )
    if base.adapter_of is not None:
        return (
            f"`{base_name}` is a LoRA adapter; for another role of it, repeat its `adapter_of:"
            f" {base.adapter_of}` and its `model` here, in place of `same_as`."
        )
    return None


def _unknown(where: str, name: str, base: str, declared: frozenset[str]) -> Iterator[str]:
    """An expert with a mistake of its own is declared, and that mistake is told already."""
    if base in declared:
        return
    near = difflib.get_close_matches(base, sorted(declared - {name}), n=1)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    yield f"{where}: no expert is called `{base}`.{hint}"
