"""How many tokens a conversation has, by the tokenizer of the expert that would be asked."""

import json

from experts.engine import HasEndpoints
from experts.errors import BadOutput, RequestError
from experts.upstream.refusals import refusal
from orchestrator.request.context import RequestContext
from orchestrator.server.context import Context

_COUNTED = (
    "messages",
    "tools",
    "chat_template_kwargs",
    "continue_final_message",
    "add_generation_prompt",
)
_BAD_REQUEST, _NOT_FOUND = 400, 404


async def count_tokens(context: Context, asked: RequestContext) -> tuple[str, int]:
    """The expert, which is loaded for it if need be, and the number.

    Of those that a composition would ask, one that is loaded is preferred. Raises RequestError
    where none of them has a tokenizer that we can ask, and what the pipeline and the expert raise.
    """
    foreseen = list((await context.pipeline.foresee(asked)).calls)
    able = [name for name in foreseen if context.pool.has_endpoints(name)]
    able.sort(key=lambda name: context.pool.expert_url(name) is None)
    if not able:
        raise _no_tokenizer(asked.model)
    return able[0], await _ask(context, asked, able[0])


async def _ask(context: Context, asked: RequestContext, expert: str) -> int:
    body = {name: asked.request.body[name] for name in _COUNTED if name in asked.request.body}
    with await context.pool.lease(expert, asked.request_class) as lease:
        assert isinstance(lease.engine, HasEndpoints)
        reply = await lease.engine.call("POST", "tokenize", body)
    if reply.status == _NOT_FOUND:
        raise _no_tokenizer(expert)
    try:
        told = json.loads(reply.content)
    except (ValueError, RecursionError):
        told = None
    if reply.status >= _BAD_REQUEST:
        error = told.get("error", told) if isinstance(told, dict) else {}
        raise refusal(expert, reply.status, error or {})
    count = told.get("count") if isinstance(told, dict) else None
    if not isinstance(count, int):
        raise BadOutput(f"Expert {expert} sent no number of tokens.", expert=expert)
    return count


def _no_tokenizer(model: str) -> RequestError:
    return RequestError(
        f"`{model}` has no tokenizer that could be asked.",
        hint="Only experts whose engine is a server have one.",
        param="model",
    )
