"""What the routers of a pool think of one expert, as far as they tell without asking anybody."""

import uuid

from experts.errors import CoterieError
from experts.types import Request
from orchestrator.config.model import Config
from orchestrator.request.context import RequestContext
from orchestrator.request.pipeline import Pipeline
from orchestrator.server.bodies.reload import Considered

UNKNOWN = (
    "its router knows nothing of it; `coterie expert add` asks it probe questions, and fits the"
    " routers again"
)
WAITS = "its router goes on as before"


async def opinions(
    config: Config, pipeline: Pipeline, expert: str, *, held: bool = False
) -> list[Considered]:
    """One for each composition, each about a question like the expert's own description.

    `held`: routers have learned of it, and decide as before.
    """
    if config.experts[expert].embeds:
        return []
    question = config.experts[expert].about or expert
    unknown = WAITS if held else UNKNOWN
    return [
        await _opinion(pipeline, name, expert, question, unknown) for name in config.compositions
    ]


async def _opinion(
    pipeline: Pipeline, composition: str, expert: str, question: str, unknown: str
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
    return {"composition": composition, "considered": False, "why": unknown}
