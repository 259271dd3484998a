"""The ASGI application: routes, and the one place where errors become responses."""

import json
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from experts.errors import CoterieError
from orchestrator.server import expert_routes, openai_routes, service_routes
from orchestrator.server.auth import KeyGate
from orchestrator.server.batch import routes as batch_routes
from orchestrator.server.classes import BATCH_PATH
from orchestrator.server.context import Context, request_id_of
from orchestrator.server.direct import DirectGate
from orchestrator.server.errors import body_of, envelope, headers_of, status_of
from orchestrator.server.gates.access import AccessGate
from orchestrator.server.gates.admin import AdminGate
from orchestrator.server.gates.anthropic import AnthropicGate
from orchestrator.server.gates.in_flight import InFlightGate
from orchestrator.server.keys import routes as key_routes
from orchestrator.server.keys.metering import MeterGate
from orchestrator.server.messages import routes as messages_routes
from orchestrator.server.openapi.document import Documents
from orchestrator.server.responses import routes as responses_routes

_METHODS = ["GET", "POST", "DELETE"]
"""What pages in a browser may send; HEAD and simple calls need no permission."""

_MODELS = (openai_routes, responses_routes, messages_routes)
"""The endpoints over all models, which there are once more below /batch."""


def make_app(context: Context) -> FastAPI:
    """The gateway over a running pool."""
    app = FastAPI(
        title="Coterie",
        version=version("coterie"),
        openapi_url=None,  # Our own document: orchestrator/server/openapi.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # The access gate leaves them out.
    )
    app.state.context = context
    app.state.documents = Documents(app.routes, context.config, lambda: context.keys.locks)
    context.metrics.watch(context.pool.snapshot)
    for module in (*_MODELS, expert_routes):
        app.include_router(module.tokens_router)
    for module in (service_routes, key_routes, *_MODELS, expert_routes):
        app.include_router(module.router)
    if context.batching is not None:
        app.include_router(batch_routes.router)
    for module in _MODELS:
        app.include_router(module.tokens_router, prefix=BATCH_PATH)
        app.include_router(module.router, prefix=BATCH_PATH)
    for route in app.routes:
        if isinstance(route, APIRoute) and "GET" in route.methods:
            route.methods.add("HEAD")  # RFC 9110, 9.1: FastAPI leaves it out.
    app.add_middleware(DirectGate, routes=app.routes, refusal=_ours)
    # Inside the key gates, which are added later: a request without a key takes no place.
    app.add_middleware(
        InFlightGate,
        metrics=context.metrics,
        drain=context.drain,
        at_most=context.config.server.max_in_flight,
    )
    app.add_middleware(MeterGate, config=context.config)
    app.add_middleware(KeyGate, keys=context.keys)
    if context.config.server.admin is not None:
        app.add_middleware(AdminGate)
    app.add_middleware(AccessGate, metrics=context.metrics)
    app.add_middleware(AnthropicGate)
    if origins := context.config.server.cors.origins:
        # The last is the outermost: a browser asks without a key, and reads errors as well.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=_METHODS,
            allow_headers=["*"],
            expose_headers=["*"],
            max_age=context.config.server.cors.max_age_s,
        )
    app.add_exception_handler(CoterieError, _ours)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    return app


async def _ours(http: HttpRequest, error: Exception) -> Response:
    assert isinstance(error, CoterieError)
    headers = headers_of(error, request_id_of(http))
    # Not JSONResponse: it cannot encode half a surrogate, which a client may have sent.
    return Response(json.dumps(body_of(error)), status_of(error), headers, "application/json")


async def _http(http: HttpRequest, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = f"{http.method} {http.url.path}: {error.detail}."
    code = {404: "unknown_url", 405: "method_not_allowed"}.get(error.status_code)
    headers = {**(error.headers or {}), "x-request-id": request_id_of(http)}
    body = envelope(message, error.status_code, code=code)
    return JSONResponse(body, error.status_code, headers)


async def _invalid(http: HttpRequest, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    param = ".".join(map(str, first["loc"]))
    body = envelope(f"{param}: {first['msg']}.", 400, code="invalid_request", param=param)
    return JSONResponse(body, 400, {"x-request-id": request_id_of(http)})
