"""`/v1/models`: what may be asked here."""

from fastapi import APIRouter
from starlette.requests import Request as HttpRequest

from experts.errors import UnknownModel
from experts.upstream.quoting import quoted
from orchestrator.server.bodies.answers import ModelCard, ModelList
from orchestrator.server.context import context_of
from orchestrator.server.keys.access import entry_of, unknown, visible
from orchestrator.server.models.cards import model_cards
from orchestrator.server.openapi import endpoints

router = APIRouter(tags=["openai"])


@router.get("/v1/models", openapi_extra=endpoints.MODELS)
async def models(http: HttpRequest) -> ModelList:
    """Every expert, every composition, and the embedding model."""
    return {"object": "list", "data": await _cards(http)}


@router.get("/v1/models/{model:path}", openapi_extra=endpoints.ONE_MODEL)
async def model(http: HttpRequest, model: str) -> ModelCard:
    """One of them."""
    for card in await _cards(http):
        if card["id"] == model:
            return card
    if (entry := entry_of(http.scope)) is not None and entry.terms.models is not None:
        raise unknown(model)
    raise UnknownModel(f"The model `{quoted(model)}` does not exist.", param="model")


async def _cards(http: HttpRequest) -> list[ModelCard]:
    """Those that exist for the caller."""
    cards = {card["id"]: card for card in await model_cards(context_of(http))}
    return [cards[name] for name in visible(entry_of(http.scope), cards)]
