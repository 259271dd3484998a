"""Skills of a question, asked of an expert before a router decides (Symbolic-MoE's tagger)."""

import asyncio
from dataclasses import replace

from aggregators.base import whole
from experts.errors import ExpertError
from experts.prompts import fill
from experts.types import Request
from orchestrator.composed import asker
from orchestrator.pool import ExpertPool
from orchestrator.trace import Trace
from routers.base import Router, Tagging
from routers.symbolic_moe.skills import agreed, parse


def tagging_of(router: Router) -> Tagging | None:
    """How a router wants questions to be tagged, if it does."""
    wanted: Tagging | None = getattr(router, "tagging", None)
    return wanted


async def tagged(pool: ExpertPool, request: Request, tagging: Tagging, trace: Trace) -> Request:
    """The request with the keywords that at least two samples name.

    It has none where the expert fails or its samples differ: the router then finds skills itself.
    """
    body = {
        "messages": [
            {"role": "user", "content": fill(tagging.prompt, question=request.query)},
        ],
        "temperature": tagging.temperature,
        "max_tokens": tagging.max_tokens,
    }
    # A seed for each sample: the same question gets the same keywords.
    asked = [
        Request(request.id, "chat/completions", {**body, "seed": number})
        for number in range(tagging.samples)
    ]
    ask = asker(pool, trace)
    try:
        samples = await asyncio.gather(*(whole(tagging.expert, one, ask) for one in asked))
    except ExpertError as error:
        trace.retried.append(error.message)
        return request
    return replace(request, keywords=agreed(parse(sample.text) for sample in samples))
