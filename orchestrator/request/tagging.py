"""Skills of a question, asked of an expert before a router decides (Symbolic-MoE's tagger)."""

from collections.abc import Sequence
from dataclasses import replace

from aggregators.base import Ask, standalone_question
from aggregators.gather import Answer, Call, gather
from experts.errors import ExpertError
from experts.prompts import fill
from experts.types import Request
from orchestrator.request.tracing.trace import Trace
from routers.base import Router, Tagging
from routers.reading import reading
from routers.symbolic_moe.skills import FEWEST_MENTIONS, agreed, parse


def tagging_of(router: Router) -> Tagging | None:
    """How a router wants questions to be tagged, if it does."""
    wanted: Tagging | None = getattr(router, "tagging", None)
    return wanted


async def tagged(request: Request, tagging: Tagging, trace: Trace, ask: Ask) -> Request:
    """The request with the keywords that at least two samples name.

    It has none where the expert fails or its samples differ: the router then finds skills itself.
    Samples that fail are left out; the others are aborted once too few are left to agree.
    """
    body = {"temperature": tagging.temperature, "max_tokens": tagging.max_tokens}
    text = fill(tagging.prompt, question=reading(request))
    # A seed for each sample: the same question gets the same keywords.
    calls = [
        Call(tagging.expert, standalone_question(request, text, **body, seed=number))
        for number in range(tagging.samples)
    ]
    try:
        samples = await gather(calls, ask, _cannot_agree, "samples of its skills are there")
    except ExpertError as error:
        trace.retried.append(error.message)
        return request
    return replace(request, keywords=agreed(parse(sample.text) for sample in samples))


def _cannot_agree(samples: Sequence[Answer], waiting: int) -> bool:
    """Whether no keyword can be named by enough of the samples any more."""
    return len(samples) + waiting < FEWEST_MENTIONS
