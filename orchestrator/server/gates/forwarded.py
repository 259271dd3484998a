"""What a proxy says of who has sent a request."""

import os

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from orchestrator.server.wire.layers import Layer, fields_of

_TOLD = frozenset({b"x-forwarded-for", b"x-forwarded-proto"})
_TRUSTED = "127.0.0.1"


class ForwardedGate(Layer):
    """Takes a proxy at its word, where the proxy is trusted: one on this machine.

    The variable FORWARDED_ALLOW_IPS names others, as for uvicorn, whose own layer would look at
    the requests that come without a proxy, too.
    """

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app)
        trusted = os.environ.get("FORWARDED_ALLOW_IPS", _TRUSTED)
        self._told = ProxyHeadersMiddleware(app, trusted)  # type: ignore[arg-type]

    def concerns(self, scope: Scope) -> bool:
        """Those that came through one."""
        return not _TOLD.isdisjoint(fields_of(scope))

    async def passed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand it on as that of the client."""
        await self._told(scope, receive, send)  # type: ignore[arg-type]
