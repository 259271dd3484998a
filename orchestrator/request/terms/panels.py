"""What several experts cannot answer together, and which experts have no roles."""

from collections.abc import Mapping, Sequence

from experts.errors import RequestError
from experts.fused.roles import Fused
from orchestrator.request.context import RequestContext
from orchestrator.request.terms.meaning import (
    beyond_text,
    constrained,
    token_details,
    tools_allowed,
)

_OF_ONE_PROMPT = ("echo", "suffix", "return_prompt_text", "prompt_embeds")


def refuse_what_one_expert_answers(context: RequestContext) -> None:
    """Raise RequestError for a request that several experts cannot answer together."""
    body = context.request.body
    if (body.get("n") or 1) != 1:
        raise RequestError("Several experts give one answer together: n must be 1.", param="n")
    found = constrained(body) or tools_allowed(body) or token_details(body) or beyond_text(body)
    found = found or next((field for field in _OF_ONE_PROMPT if body.get(field)), None)
    if found is not None:
        raise RequestError(
            f"Several experts that answer together cannot have {found}:"
            " ask one expert by its name.",
            param=found,
        )
    if context.options.demands_tokens:
        raise RequestError("Several experts answer together here.", param="coterie.tokens")


def refuse_role(role: str, experts: Sequence[str], fused: Mapping[str, Fused]) -> None:
    """Raise RequestError where a role is chosen of an expert that has none.

    `fused` are the experts that have roles: fused ones in our slots. Other servers know no field
    for it, and would answer as if nothing had been asked.
    """
    for expert in experts:
        if expert not in fused:
            raise RequestError(
                f"Expert {expert} has no roles, so not {role} either.", param="coterie.role"
            )
