"""The ASGI application: routes, and the one place where errors become responses."""

import json
from collections.abc import Awaitable
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from experts.errors import CoterieError
from experts.upstream.quoting import quoted
from orchestrator.server import console_routes, expert_routes, openai_routes, service_routes
from orchestrator.server.auth import KeyGate
from orchestrator.server.batch import routes as batch_routes
from orchestrator.server.classes import BATCH_PATH
from orchestrator.server.context import CONTEXT, Context, request_id_of
from orchestrator.server.direct import DirectGate
from orchestrator.server.errors import body_of, envelope, headers_of, status_of
from orchestrator.server.gates.access import AccessGate
from orchestrator.server.gates.admin import AdminGate
from orchestrator.server.gates.anthropic import AnthropicGate
from orchestrator.server.gates.forwarded import ForwardedGate
from orchestrator.server.gates.in_flight import InFlight, InFlightGate
from orchestrator.server.keys import routes as key_routes
from orchestrator.server.keys.metering import MeterGate
from orchestrator.server.messages import routes as messages_routes
from orchestrator.server.models import routes as models_routes
from orchestrator.server.openapi.document import Documents
from orchestrator.server.playground import routes as playground_routes
from orchestrator.server.reload import residence
from orchestrator.server.reload import routes as reload_routes
from orchestrator.server.reports import routes as report_routes
from orchestrator.server.responses import routes as responses_routes
from orchestrator.server.reuse.gate import Idempotency, IdempotencyGate
from orchestrator.server.watching import routes as watching_routes
from orchestrator.server.watching.events import Events

_METHODS = ["GET", "POST", "DELETE"]
"""What pages in a browser may send; HEAD and simple calls need no permission."""

_ANSWERING = (openai_routes, responses_routes, messages_routes)
_OURS = (
    service_routes,
    key_routes,
    reload_routes,
    residence,
    watching_routes,
    playground_routes,
    report_routes,
)
_TELLING = (models_routes, messages_routes)
"""The endpoints over all models, which there are once more below /batch."""


class Application(FastAPI):
    """The gateway, without the layers of FastAPI's that would have nothing to do."""

    context: Context
    """What it serves with, from the next request on; `adopt` changes it."""

    def __call__(  # type: ignore[override]
        self, scope: Scope, receive: Receive, send: Send
    ) -> Awaitable[None]:
        """ASGI's call."""
        scope["app"], scope[CONTEXT] = self, self.context
        if self.middleware_stack is None:
            self.middleware_stack = self.build_middleware_stack()
        return self.middleware_stack(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """Less the outermost: what fails is answered by the access gate."""
        outermost = super().build_middleware_stack()
        assert isinstance(outermost, ServerErrorMiddleware)
        return outermost.app


def make_app(context: Context, idempotency: Idempotency | None = None) -> Application:
    """The gateway over a running pool; without `idempotency`, that header is ignored."""
    app = Application(
        title="Coterie",
        version=version("coterie"),
        openapi_url=None,  # Our own document: orchestrator/server/openapi.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # The access gate leaves them out.
    )
    app.state.reloads = None
    adopt(app, context)
    app.state.events = Events(lambda: app.context)
    context.metrics.watch(lambda: app.context.pool.snapshot())
    _add_routes(
        app,
        with_batches=context.batching is not None,
        with_console=context.config.server.console,
    )
    app.add_middleware(DirectGate, routes=app.routes, refusal=_ours)
    # Inside the key gates, which are added later: a request without a key takes no place.
    in_flight = InFlight(
        context.metrics, context.drain, lambda: app.context.config.server.max_in_flight
    )
    app.add_middleware(InFlightGate, in_flight=in_flight)
    app.add_middleware(MeterGate, config=lambda: app.context.config)
    if idempotency is not None:
        # Outside those two: what runs on without its client is under way, and costs its key.
        max_body_mb = context.config.server.max_body_mb
        app.add_middleware(
            IdempotencyGate,
            idempotency=idempotency,
            in_flight=in_flight,
            max_body_mb=max_body_mb,
        )
    app.add_middleware(KeyGate, keys=context.keys)
    if context.config.server.admin is not None:
        app.add_middleware(AdminGate)
    app.add_middleware(AccessGate, metrics=context.metrics, drain=context.drain)
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
    app.add_middleware(ForwardedGate)
    app.add_exception_handler(CoterieError, _ours)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    return app


def adopt(app: Application, context: Context) -> None:
    """Serve with this from the next request on."""
    app.context = context
    app.state.documents = Documents(app.routes, context.config, lambda: context.keys.locks)


def _add_routes(app: Application, *, with_batches: bool, with_console: bool) -> None:
    for module in (*_ANSWERING, expert_routes):
        app.include_router(module.tokens_router)
    for module in (*_OURS, *_TELLING, expert_routes):
        app.include_router(module.router)
    if with_batches:
        app.include_router(batch_routes.router)
    if with_console:
        app.include_router(console_routes.router)
    for module in _ANSWERING:
        app.include_router(module.tokens_router, prefix=BATCH_PATH)
    for module in _TELLING:
        app.include_router(module.router, prefix=BATCH_PATH)
    for route in app.routes:
        if isinstance(route, APIRoute) and "GET" in route.methods:
            route.methods.add("HEAD")  # RFC 9110, 9.1: FastAPI leaves it out.


async def _ours(http: HttpRequest, error: Exception) -> Response:
    assert isinstance(error, CoterieError)
    headers = headers_of(error, request_id_of(http))
    # Not JSONResponse: it cannot encode half a surrogate, which a client may have sent.
    return Response(json.dumps(body_of(error)), status_of(error), headers, "application/json")


async def _http(http: HttpRequest, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = f"{http.method} {quoted(http.url.path)}: {error.detail}."
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
