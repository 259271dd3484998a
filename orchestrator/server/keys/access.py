"""Which models exist for a caller."""

from collections.abc import Iterable

from starlette.types import Scope

from experts.errors import UnknownModel
from experts.upstream.quoting import quoted
from orchestrator.keys.ring import KeyEntry
from orchestrator.request.compositions import POOL
from orchestrator.request.context import RequestOptions
from orchestrator.request.pipeline import Pipeline
from orchestrator.server.auth import caller_of


def entry_of(scope: Scope) -> KeyEntry | None:
    """The key of a request; None where there are no keys."""
    caller = caller_of(scope)
    return caller.entry if caller is not None else None


def visible(entry: KeyEntry | None, models: Iterable[str]) -> list[str]:
    """Those that exist for a caller, in their order."""
    return [name for name in models if entry is None or entry.may_ask(name)]


def require_model(
    entry: KeyEntry | None, pipeline: Pipeline, model: str, options: RequestOptions
) -> None:
    """Raise UnknownModel for a model that a key may not ask, or that is not there.

    404, as if it were not there: 403 would tell which names exist, and so would two different
    messages. Where a request names the experts of a panel or its router, the key must be one that
    may ask these by their own names.
    """
    if entry is None or entry.terms.models is None:
        return
    named = [model]
    named += options.experts if isinstance(options.experts, tuple) else ()
    if options.router is not None:
        named.append(f"{POOL}{options.router}")
    for name in named:
        if not entry.may_ask(name) or not pipeline.knows(name):
            raise unknown(name)


def unknown(model: str) -> UnknownModel:
    """What a key that may not ask a model is told of it; lists no others."""
    return UnknownModel(
        f"The model `{quoted(model)}` does not exist, or this API key may not ask it.",
        hint="GET /v1/models lists those that it may.",
        param="model",
    )
