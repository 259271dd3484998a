"""API keys: who may use the service, and with which request class."""

import hmac
from collections.abc import Mapping
from hashlib import sha256

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrator.config.model import ApiKey
from orchestrator.server.context import request_id_of
from orchestrator.server.errors import envelope

GUARDED = ("/v1", "/batch", "/e", "/coterie")
"""Everything under these paths needs a key; health, readiness, version and metrics do not."""

KEY_CLASS = "coterie.class"
"""Where the ASGI scope holds the request class of the key."""


class KeyGate:
    """Lets requests with a known key pass, and notes the key's request class in the scope."""

    def __init__(self, app: ASGIApp, api_keys: Mapping[str, ApiKey]) -> None:
        self._app = app
        # Digests have one length, and no traceback can show what was never kept.
        self._classes = [(_digest(k.key.encode()), k.request_class) for k in api_keys.values()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and is_guarded(scope["path"]):
            scope[KEY_CLASS] = request_class = self._class_of(scope)
            if request_class is None:
                await _refusal(scope)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _class_of(self, scope: Scope) -> str | None:
        given = next((v for name, v in scope["headers"] if name == b"authorization"), b"")
        scheme, _, key = given.partition(b" ")
        digest = _digest(key.strip())
        # All are compared, whoever it is: the time tells nothing.
        found = [name for own, name in self._classes if hmac.compare_digest(own, digest)]
        return found[0] if found and scheme.lower() == b"bearer" else None


def is_guarded(path: str) -> bool:
    """Whether a path needs a key where keys are configured."""
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in GUARDED)


def _digest(key: bytes) -> bytes:
    return sha256(key).digest()


def _refusal(scope: Scope) -> JSONResponse:
    http = HttpRequest(scope)
    wrong = "authorization" in http.headers
    message = "This API key is not known." if wrong else "There is no API key in the request."
    hint = "Send `Authorization: Bearer KEY` with a key of this service (server.api_keys)."
    headers = {"www-authenticate": "Bearer", "x-request-id": request_id_of(http)}
    return JSONResponse(envelope(f"{message} {hint}", 401, code="invalid_api_key"), 401, headers)
