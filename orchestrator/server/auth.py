"""API keys: who may use the service, who may change it, and with which request class."""

from dataclasses import dataclass
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from experts.errors import AdminOnly
from orchestrator.keys.ring import KeyEntry, KeyRing
from orchestrator.server.context import request_id_of
from orchestrator.server.errors import envelope
from orchestrator.server.wire.layers import Layer, fields_of

GUARDED = ("/v1", "/batch", "/e", "/coterie")
"""Everything under these paths needs a key; health, readiness, version and metrics do not."""
_BELOW = tuple(f"{prefix}/" for prefix in GUARDED)

CALLER = "coterie.caller"
"""Where the ASGI scope holds whose key a request has; nothing where there are no keys."""
_MAKE_ADMIN = (
    "make an administrator's key: `coterie key create NAME --admin`, or one of server.api_keys with"
    " `admin: true`"
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose key a request has."""

    entry: KeyEntry

    @property
    def name(self) -> str:
        """Of the key's owner."""
        return self.entry.name

    @property
    def request_class(self) -> str:
        """Of requests that choose none."""
        return self.entry.terms.request_class

    @property
    def admin(self) -> bool:
        """Whether the key may change the service."""
        return self.entry.terms.admin


class KeyGate(Layer):
    """Lets requests with a known key pass, and notes in the scope whose key it is."""

    def __init__(self, app: ASGIApp, keys: KeyRing) -> None:
        super().__init__(app)
        self._keys = keys

    def concerns(self, scope: Scope) -> bool:
        """What needs a key, if anything does."""
        # What OPTIONS tells, which methods there are, is no secret.
        asks = self._keys.locks and scope["method"] != "OPTIONS"
        return asks and is_guarded(scope["path"])

    async def passed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let it in, or refuse it."""
        caller = self._caller(scope)
        if caller is None:
            await _refusal(scope)(scope, receive, send)
            return
        scope[CALLER] = caller
        await self._app(scope, receive, send)

    def _caller(self, scope: Scope) -> Caller | None:
        given = fields_of(scope).get(b"authorization", b"")
        scheme, _, key = given.partition(b" ")
        found = self._keys.find(key.strip()) if scheme.lower() == b"bearer" else None
        return Caller(found) if found is not None else None


def caller_of(scope: Scope) -> Caller | None:
    """Whose key a request has; None where there are no keys."""
    caller: Caller | None = scope.get(CALLER)
    return caller


def require_admin(keys: KeyRing, scope: Scope) -> None:
    """Raise AdminOnly unless the request may change the service.

    With API keys it needs one with `admin: true`; without any, it must come from this machine, and
    not from a page of somebody else's in a browser there.
    """
    if keys.locks:
        caller = caller_of(scope)
        if caller is None or not caller.admin:
            raise AdminOnly(
                "This call changes the service and needs an administrator's API key.",
                hint="Give one of server.api_keys `admin: true`, or make one with `coterie key"
                " create --admin`, and use that key.",
            )
    elif not _is_local(scope.get("client")):
        raise AdminOnly(
            "This call changes the service and is accepted from its own machine only.",
            hint=f"Call it there, or {_MAKE_ADMIN}.",
        )
    elif not _is_of_our_own(Headers(raw=scope.get("headers", []))):
        raise AdminOnly(
            "This call changes the service and is not accepted from pages of another origin.",
            hint=f"Call it at localhost or an IP address, or {_MAKE_ADMIN}.",
        )


def goes_on(keys: KeyRing, scope: Scope) -> bool:
    """Whether the key that a request came with is what it was: a revoked one ends what lasts."""
    caller = caller_of(scope)
    return not keys.locks if caller is None else keys.named(caller.name) is caller.entry


def require_unrestricted(scope: Scope) -> None:
    """Raise AdminOnly for a key that may ask some models only: others are shown here."""
    caller = caller_of(scope)
    if caller is not None and caller.entry.terms.models is not None:
        raise AdminOnly(
            "This page shows models that this key may not ask.",
            hint="Use a key without `models`.",
        )


def _is_local(client: tuple[str, int] | None) -> bool:
    try:
        address = ip_address(client[0] if client else "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _is_of_our_own(headers: Headers) -> bool:
    """Whether no page of another origin can have sent it.

    A browser tells the page's origin, and the name that it has looked up. A name may be pointed at
    this machine by whoever owns it (DNS rebinding), an address may not.
    """
    host, origin = headers.get("host", "").lower(), headers.get("origin")
    if not host and origin is None:
        return True  # No browser leaves both away.
    if origin is not None and origin.lower().partition("://")[2] != host:
        return False
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
    return True


def is_guarded(path: str) -> bool:
    """Whether a path needs a key where there are keys."""
    return path.startswith(_BELOW) or path in GUARDED


def _refusal(scope: Scope) -> JSONResponse:
    http = HttpRequest(scope)
    wrong = "authorization" in http.headers
    message = "This API key is not known." if wrong else "There is no API key in the request."
    hint = (
        "Send `Authorization: Bearer KEY` with a key of this service (one of server.api_keys, or"
        " one that `coterie key create` has made)."
    )
    headers = {"www-authenticate": "Bearer", "x-request-id": request_id_of(http)}
    return JSONResponse(envelope(f"{message} {hint}", 401, code="invalid_api_key"), 401, headers)
