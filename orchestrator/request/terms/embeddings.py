"""Which models give embeddings, and what such a request cannot ask for."""

from collections.abc import Container, Iterable

from experts.errors import RequestError, UnknownModel
from orchestrator.request.context import RequestContext
from orchestrator.request.embedding.own import EMBEDDING_MODEL


def refuse_answers(context: RequestContext, embedders: Container[str]) -> None:
    """Raise RequestError where an answer is asked of a model that gives embeddings alone."""
    if context.model == EMBEDDING_MODEL or context.model in embedders:
        raise RequestError(
            f"The model `{context.model}` gives embeddings, and no answers: send it to"
            " /v1/embeddings.",
            param="model",
        )


def check_embedding(
    context: RequestContext, embedders: Iterable[str], others: Container[str]
) -> None:
    """Raise RequestError where embeddings are asked of a model that has none, or in other terms.

    `embedders` are the experts that give some, `others` the models that do not.
    """
    options, known = context.options, (EMBEDDING_MODEL, *embedders)
    if context.model not in known:
        kind = RequestError if context.model in others else UnknownModel
        raise kind(
            f"The model `{context.model}` gives no embeddings.",
            hint=f"Ask {' or '.join(f'`{name}`' for name in known)}.",
            param="model",
        )
    if options.recomposes or options.tokens:
        raise RequestError(
            "Embeddings come from one model: there is nothing to route, to put together or to"
            " attribute.",
            param="coterie",
        )
