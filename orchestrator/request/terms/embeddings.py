"""Which models give embeddings, and what such a request cannot ask for."""

from collections.abc import Collection

from experts.errors import RequestError, UnknownModel
from orchestrator.request.context import RequestContext


def gives_embeddings(model: str) -> RequestError:
    """The error of whoever wants an answer of a model that gives embeddings alone."""
    return RequestError(
        f"The model `{model}` gives embeddings, and no answers: send it to /v1/embeddings.",
        param="model",
    )


def check_embedding(context: RequestContext, models: Collection[str]) -> None:
    """Raise RequestError where embeddings are asked of none of `models`, or in other terms."""
    if context.model not in models:
        raise UnknownModel(
            f"The model `{context.model}` gives no embeddings.",
            hint=f"Ask {' or '.join(f'`{name}`' for name in models)}.",
            param="model",
        )
    if context.options.recomposes or context.options.demands_tokens:
        raise RequestError(
            "Embeddings come from one model: there is nothing to route, to put together or to"
            " attribute.",
            param="coterie",
        )
