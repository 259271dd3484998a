"""What the routers of a pool think of one expert, as far as they tell without asking anybody."""

import uuid
from dataclasses import dataclass

from experts.errors import CoterieError
from experts.types import Request
from orchestrator.config.model import Config
from orchestrator.request.context import RequestContext
from orchestrator.request.pipeline import Pipeline
from orchestrator.server.bodies.reload import Considered

UNASKED = "; `coterie expert add` asks it probe questions, and fits the routers again"


@dataclass(frozen=True, slots=True)
class Learned:
    """What came of an expert's probe questions."""

    routers: frozenset[str]
    """Those that were fitted with its answers."""
    held: bool
    """Whether they decide as before."""


async def opinions(
    config: Config, pipeline: Pipeline, expert: str, learned: Learned | None = None
) -> list[Considered]:
    """One for each composition, each about a question like the expert's own description.

    `learned` is None where the expert was asked no probe questions.
    """
    if config.experts[expert].embeds:
        return []
    question = config.experts[expert].about or expert
    found = []
    for name, composition in config.compositions.items():
        unnamed = _unnamed(composition.router, question, learned)
        found.append(await _opinion(pipeline, name, expert, question, unnamed))
    return found


def _unnamed(router: str, question: str, learned: Learned | None) -> str:
    """Why a router does not name the expert."""
    if learned is None:
        return f"its router knows nothing of it{UNASKED}"
    if router not in learned.routers:
        return "its router learned nothing from the probe questions"
    if learned.held:
        return "its router goes on as before"
    return f"its router knows it, and does not name it for: {question}"


async def _opinion(
    pipeline: Pipeline, composition: str, expert: str, question: str, unnamed: str
) -> Considered:
    body = {"model": composition, "messages": [{"role": "user", "content": question}]}
    request = Request(f"opinion-{uuid.uuid4().hex}", "chat/completions", body)
    try:
        found = await pipeline.foresee(RequestContext(request, composition))
    except CoterieError as error:
        return {"composition": composition, "considered": False, "why": str(error)}
    named = [name for name, _ in found.decision.scores] if found.decision is not None else []
    if expert in found.calls:
        why = f"it would be asked: {question}"
        return {"composition": composition, "considered": True, "why": why}
    if expert in named:
        place = named.index(expert) + 1
        why = f"it is number {place} of {len(named)} for: {question}"
        return {"composition": composition, "considered": True, "why": why}
    return {"composition": composition, "considered": False, "why": unnamed}
