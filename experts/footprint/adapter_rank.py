"""The rank of a LoRA adapter, as its tensors have it, and what vLLM would refuse of an adapter."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from experts.footprint.headers import read_header
from experts.footprint.texts import read_mapping

HIGHEST = 512
"""What vLLM accepts as a bound of adapters' ranks, at most."""
_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_NARROWING, _WIDENING = (".lora_A.weight", ".lora_embedding_A"), (".lora_B.weight",)
_HEADS = ("classifier", "score")
"""The only modules that vLLM takes whole from an adapter."""
_NEVER: Mapping[str, str] = {
    "use_dora": "DoRA",
    "lora_bias": "a bias of its own",
    "alora_invocation_tokens": "Activated LoRA",
    "layer_replication": "layers that occur more than once",
    "use_bdlora": "block-diagonal LoRA",
    "use_qalora": "QALoRA",
}
"""Kinds of adapters that vLLM does not serve, by the key that says so."""


def adapter_rank(folder: Path) -> int | None:
    """The highest rank in an adapter's tensors; where they cannot be read, what it says itself."""
    if ranks := _ranks(folder):
        return max(ranks)
    rank = read_mapping(folder / _CONFIG).get("r")
    return rank if _is_count(rank) else None


def adapter_faults(folder: Path) -> Iterator[str]:
    """What keeps vLLM from serving an adapter, in sentences that begin with the file and key."""
    config, path = read_mapping(folder / _CONFIG), folder / _CONFIG
    if config:
        yield from (f"{path}: {fault}" for fault in _rank_faults(config, _ranks(folder)))
    for key, what in _NEVER.items():
        if config.get(key):
            yield (
                f"{path}: {key}: vLLM serves no adapter with {what}; merge it into its model, or"
                " train one without."
            )
    whole = config.get("modules_to_save")
    parts = whole if isinstance(whole, list) else []
    if other := [str(one) for one in parts if one not in _HEADS]:
        yield (
            f"{path}: modules_to_save: vLLM serves no adapter that replaces whole parts of its"
            f" model ({', '.join(other)}); merge it into its model, or train one without."
        )


def _rank_faults(config: Mapping[str, Any], ranks: frozenset[int]) -> Iterator[str]:
    said = config.get("r")
    remedy = "copy the file again from where the weights are from"
    if not _is_count(said):
        told = "is missing" if said is None else f"must be a whole number above 0, not {said}"
        known = f", which is {max(ranks)} by its tensors" if ranks else ""
        yield f"r: the adapter's rank{known}, {told}; {remedy}."
    elif len(ranks) == 1 and said not in ranks and not config.get("rank_pattern"):
        yield f"r: {said} is not the rank of its tensors, which is {max(ranks)}; {remedy}."
    elif (highest := max(ranks, default=0)) > HIGHEST:
        yield f"r: {highest} is more than the {HIGHEST} that vLLM serves."


def _ranks(folder: Path) -> frozenset[int]:
    """Of all pairs of matrices in its safetensors file."""
    header = read_header(folder / _WEIGHTS) or {}
    narrow = {t["shape"][0] for n, t in header.items() if n.endswith(_NARROWING) and t["shape"]}
    wide = {t["shape"][-1] for n, t in header.items() if n.endswith(_WIDENING) and t["shape"]}
    return frozenset(rank for rank in narrow | wide if rank > 0)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
