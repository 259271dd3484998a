"""Keeps what changes the service off the public listener, where there is one of its own."""

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrator.server.context import request_id_of
from orchestrator.server.errors import envelope
from orchestrator.server.wire.layers import Layer

ADMIN = (
    "/coterie/routers",
    "/coterie/keys",
    "/coterie/reload",
    "/coterie/experts",
    "/coterie/config",
    "/coterie/drain",
)
"""Under these paths lies what changes the service."""
NOT_FOUND = 404
DOOR = "coterie.admin_door"


def admin_door(app: ASGIApp) -> ASGIApp:
    """The application as the listener of administrators serves it."""

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        scope[DOOR] = True
        await app(scope, receive, send)

    return served


class AdminGate(Layer):
    """Answers 404 for what changes the service, unless it comes through the administrators' door.

    Before any key is looked at, so that the public listener tells nothing of it.
    """

    def concerns(self, scope: Scope) -> bool:
        """What is not there for everybody."""
        return DOOR not in scope and is_admin(scope["path"])

    async def passed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as if there were nothing."""
        message = f"{scope['method']} {scope['path']}: Not Found."
        body = envelope(message, NOT_FOUND, code="unknown_url")
        headers = {"x-request-id": request_id_of(HttpRequest(scope))}
        await JSONResponse(body, NOT_FOUND, headers)(scope, receive, send)


def is_admin(path: str) -> bool:
    """Whether what lies there changes the service."""
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in ADMIN)
