"""What administrators do with one expert of ours: have it loaded, and keep it from leaving."""

from fastapi import APIRouter
from starlette.requests import Request as HttpRequest

from experts.errors import ConfigError, ExpertError, RequestError, UnknownModel
from experts.spec import ExpertSpec, HostedSpec
from orchestrator.config.model import DEFAULT_CLASS
from orchestrator.server.bodies.reload import Chosen, Loaded, Pinned
from orchestrator.server.context import Context
from orchestrator.server.openapi import endpoints
from orchestrator.server.reload.asking import administered, alone, in_words, reloads_of

router = APIRouter(prefix="/coterie/experts", tags=["configuration"])


@router.post("/{expert}/load", openapi_extra=endpoints.LOAD_EXPERT)
async def load(http: HttpRequest, expert: str) -> Loaded:
    """Load an expert as a request for it would, and tell what that took; others may leave."""
    context = administered(http)
    _hosted(context, expert)
    with await context.pool.lease(expert, DEFAULT_CLASS) as lease:
        return {
            "expert": expert,
            "slot": lease.slot or "",
            "waited_ms": round(lease.queue_ms, 1),
            "load_ms": round(lease.load_ms, 1),
        }


@router.post("/{expert}/pin", openapi_extra=endpoints.PIN_EXPERT)
async def pin(http: HttpRequest, expert: str) -> Pinned:
    """Load an expert, and let it leave its slot no more; all that is pinned must fit together."""
    context = administered(http)
    _with_weights(_hosted(context, expert), expert)
    alone(context, "would not keep it")
    told = await _pinned(http, expert, True)
    try:
        with await context.pool.lease(expert, DEFAULT_CLASS):
            return told
    except ExpertError:
        # What cannot be loaded keeps no room.
        await reloads_of(http).pin(expert, False)
        raise


@router.delete("/{expert}/pin", openapi_extra=endpoints.UNPIN_EXPERT)
async def unpin(http: HttpRequest, expert: str) -> Pinned:
    """Let an expert leave its slot again when others need the room."""
    context = administered(http)
    _with_weights(_hosted(context, expert), expert)
    alone(context, "would keep it")
    return await _pinned(http, expert, False)


@router.post("/{expert}/routing", openapi_extra=endpoints.ROUTE_TO_EXPERT)
async def route_to(http: HttpRequest, expert: str) -> Chosen:
    """Let the routers choose an expert that was added with `hold`, as they have learned."""
    context = administered(http)
    _known(context, expert)
    alone(context, "would go on without it")
    return {"expert": expert, "warnings": await reloads_of(http).route_to(expert)}


async def _pinned(http: HttpRequest, expert: str, pinned: bool) -> Pinned:
    try:
        outcome = await reloads_of(http).pin(expert, pinned)
    except ConfigError as error:
        raise in_words(error) from error
    return {"expert": expert, "pinned": pinned, "generation": outcome.generation}


def _known(context: Context, expert: str) -> ExpertSpec:
    """Raises UnknownModel."""
    spec = context.config.experts.get(expert)
    if spec is None:
        known = ", ".join(context.config.experts)
        raise UnknownModel(f"There is no expert `{expert}` (known: {known}).", param="expert")
    return spec


def _hosted(context: Context, expert: str) -> HostedSpec:
    """The expert. Raises UnknownModel, and RequestError for one that runs elsewhere."""
    spec = _known(context, expert)
    if not isinstance(spec, HostedSpec):
        raise RequestError(f"{expert} runs on another server: no slot of ours holds it.")
    return spec


def _with_weights(spec: HostedSpec, expert: str) -> None:
    if spec.base is not None:
        raise RequestError(
            f"{expert} shares the engine of {spec.base}.", hint=f"Pin {spec.base}.", param="expert"
        )
