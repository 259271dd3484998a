"""Whether a request fits the context of an expert that is loaded: asked of its tokenizer."""

import asyncio
import json

from experts.engine import HasEndpoints
from experts.errors import ExpertError, ExpertRefused
from orchestrator.request.context import RequestContext
from orchestrator.request.terms.meaning import most_tokens
from orchestrator.residency.pool import ExpertPool

PATIENCE_S = 10.0
_FIELDS = ("messages", "prompt", "tools", "chat_template", "chat_template_kwargs")


async def check_room(context: RequestContext, expert: str, pool: ExpertPool) -> None:
    """Raise ExpertRefused, as the expert would, for a text that its context cannot hold.

    For a request that nobody will be asked: nothing is loaded for it, and who cannot count the
    tokens has no objection.
    """
    if pool.expert_url(expert) is None:
        return
    request = context.for_one.request
    body = {name: request.body[name] for name in _FIELDS if name in request.body}
    try:
        async with asyncio.timeout(PATIENCE_S):
            with await pool.lease(expert, context.request_class, patient=context.patient) as lease:
                if not isinstance(lease.engine, HasEndpoints):
                    return
                told = json.loads((await lease.engine.call("POST", "tokenize", body)).content)
        count, room = told["count"], told["max_model_len"]
    except (ExpertError, TimeoutError, ValueError, LookupError, TypeError):
        return
    wanted = most_tokens(request.body) or 1
    if isinstance(count, int) and isinstance(room, int) and count + wanted > room:
        raise ExpertRefused(
            f"This model's maximum context length is {room} tokens. However, your prompt has"
            f" {count} tokens, and {wanted} more were asked for. Please shorten it.",
            expert=expert,
            status=400,
            body={"code": "context_length_exceeded"},
        )
