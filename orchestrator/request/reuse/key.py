"""Which requests have the same answer: what tells them apart, as one digest. Pure."""

import json
from dataclasses import asdict
from hashlib import sha256

from experts.types import EMBEDDINGS, Request
from orchestrator.request.context import RequestContext

ASIDE = frozenset({"model", "user", "safety_identifier", "metadata", "prompt_cache_key"})
"""Fields of a body that change no answer; the model's name is looked at by itself."""
_SHOWING = ("explain", "cache")
"""Options that say how an answer is shown, or come by."""


def is_repeatable(request: Request) -> bool:
    """Whether the client expects the same answer each time: at temperature 0, or with a seed."""
    if request.operation == EMBEDDINGS:
        return True
    body = request.body
    return body.get("temperature") == 0 or body.get("seed") is not None


def answer_key(context: RequestContext, version: str) -> str:
    """The digest of all that the answer depends on, and of whose request it is.

    `version` changes with whatever else may change the answer. Whether it is streamed, and how, is
    a part of it: the bytes of an answer are given again as they are.
    """
    request, options = context.request, asdict(context.options)
    budget = context.options.budget
    options["budget"] = None if budget is None else budget.model_dump()
    asked = [
        context.api_key_name,
        request.operation,
        context.model,
        version,
        {name: value for name, value in request.body.items() if name not in ASIDE},
        {name: value for name, value in options.items() if name not in _SHOWING},
        request.source,
        request.tests,
    ]
    # Escaped to ASCII: half a surrogate, which a client may have sent, has no bytes of its own.
    return sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
