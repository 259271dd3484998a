"""Everything that an engine reads from disk: a model's own files, its members', its adapters'."""

from collections.abc import Iterable
from pathlib import Path

from experts.footprint.adapter_rank import adapter_rank
from experts.footprint.checkpoint import Weights, read_weights
from experts.footprint.plan import Model
from experts.footprint.shape import COMPOSITE, read_shape
from experts.footprint.texts import read_mapping


def look(model: str, adapters: Iterable[str] = ()) -> Model:
    """What is known of a model: all of a folder, nothing of a hub id."""
    ranks = tuple(rank for folder in adapters if (rank := adapter_rank(Path(folder))) is not None)
    folder = Path(model)
    if not folder.is_dir():
        return Model(adapter_ranks=ranks)
    return Model(read_shape(folder), _all_weights(folder), ranks)


def _all_weights(folder: Path) -> Weights | None:
    """Those of a fused expert include its members', which stay in their own folders."""
    parts = [read_weights(folder)]
    config = read_mapping(folder / "config.json")
    members = config.get("members")
    if config.get("model_type") == COMPOSITE and isinstance(members, dict):
        paths = [member.get("path") for member in members.values() if isinstance(member, dict)]
        parts += [read_weights(folder / path) for path in paths if isinstance(path, str)]
    known = [part for part in parts if part is not None]
    if not known:
        return None
    largest = max(known, key=lambda part: part.convertible)
    return Weights(
        sum(part.convertible for part in known),
        sum(part.fixed_bytes for part in known),
        largest.dtype,
    )
