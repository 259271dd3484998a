"""Requests with images go to experts that take them: which those are, and who answers then."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path

from experts.errors import RequestError
from experts.footprint.texts import read_mapping
from experts.spec import ExpertSpec, HostedSpec
from experts.vllm.hub import snapshot
from experts.vllm.tables.models import takes_images
from orchestrator.config.model import Config
from routers.base import Decision


def image_takers(config: Config) -> frozenset[str]:
    """The experts that take images: by their key `images`, else by what their files say."""
    return frozenset(name for name, spec in config.experts.items() if _takes(spec, config.experts))


def with_images(decision: Decision, takers: AbstractSet[str], model: str) -> Decision:
    """The decision among the experts that take images; no alarm, which only looks at the text.

    Where the router names none of them, they come in the order of their names. Raises RequestError
    where the pool has none.
    """
    if not takers:
        raise no_taker(model)
    scores = tuple(scored for scored in decision.scores if scored[0] in takers)
    scores = scores or tuple((name, 0.0) for name in sorted(takers))
    panel = tuple(name for name in decision.panel if name in takers)
    same = scores == decision.scores and panel == decision.panel
    reason = decision.reason
    return replace(
        decision,
        scores=scores,
        panel=panel,
        lead=decision.lead if decision.lead in takers else None,
        role=decision.role if scores[0] == decision.scores[0] else None,
        fallback=None,
        general=None,
        message="",
        reason=reason if same else f"Only experts that take images are considered. {reason}",
    )


def no_taker(model: str) -> RequestError:
    """The error of a request with images where nobody takes them."""
    return RequestError(
        f"No expert of `{model}` takes images.",
        hint="One that does, and whose files do not tell, needs `images: true`.",
        param="messages",
    )


def _takes(spec: ExpertSpec, experts: Mapping[str, ExpertSpec]) -> bool:
    if spec.images is not None:
        return spec.images
    if not isinstance(spec, HostedSpec):
        return False
    if spec.base is not None and spec.base in experts:
        return _takes(experts[spec.base], experts)
    path = Path(spec.model)
    folder = path if path.is_dir() else snapshot(spec.model)
    return folder is not None and takes_images(read_mapping(folder / "config.json"))
