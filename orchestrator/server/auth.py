"""API keys: who may use the service, who may change it, and with which request class."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from experts.errors import AdminOnly
from orchestrator.config.model import ApiKey, Config
from orchestrator.server.context import request_id_of
from orchestrator.server.errors import envelope

GUARDED = ("/v1", "/batch", "/e", "/coterie")
"""Everything under these paths needs a key; health, readiness, version and metrics do not."""

CALLER = "coterie.caller"
"""Where the ASGI scope holds whose key a request has; nothing where no keys are configured."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose key a request has."""

    name: str
    request_class: str
    admin: bool


class KeyGate:
    """Lets requests with a known key pass, and notes in the scope whose key it is."""

    def __init__(self, app: ASGIApp, api_keys: Mapping[str, ApiKey]) -> None:
        self._app = app
        # Digests have one length, and no traceback can show what was never kept.
        self._callers = [
            (_digest(entry.key.encode()), Caller(name, entry.request_class, entry.admin))
            for name, entry in api_keys.items()
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # What OPTIONS tells, which methods there are, is no secret.
        asks = scope["type"] == "http" and scope["method"] != "OPTIONS"
        if asks and is_guarded(scope["path"]):
            scope[CALLER] = caller = self._caller(scope)
            if caller is None:
                await _refusal(scope)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _caller(self, scope: Scope) -> Caller | None:
        given = next((v for name, v in scope["headers"] if name == b"authorization"), b"")
        scheme, _, key = given.partition(b" ")
        digest = _digest(key.strip())
        # All are compared, whichever it is: the time tells nothing.
        found = [caller for own, caller in self._callers if hmac.compare_digest(own, digest)]
        return found[0] if found and scheme.lower() == b"bearer" else None


def caller_of(scope: Scope) -> Caller | None:
    """Whose key a request has; None where no keys are configured."""
    caller: Caller | None = scope.get(CALLER)
    return caller


def require_admin(config: Config, scope: Scope) -> None:
    """Raise AdminOnly unless the request may change the service.

    With API keys it needs one with `admin: true`; without any, it must come from this machine.
    """
    if config.server.api_keys:
        caller = caller_of(scope)
        if caller is None or not caller.admin:
            raise AdminOnly(
                "This call changes the service and needs an administrator's API key.",
                hint="Give one of server.api_keys `admin: true`, and use that key.",
            )
    elif not _is_local(scope.get("client")):
        raise AdminOnly(
            "This call changes the service and is accepted from its own machine only.",
            hint="Call it there, or configure server.api_keys with an `admin: true`.",
        )


def _is_local(client: tuple[str, int] | None) -> bool:
    try:
        address = ip_address(client[0] if client else "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


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
