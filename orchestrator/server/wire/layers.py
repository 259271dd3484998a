"""Layers around the application, of which each request passes those that concern it."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable

from starlette.types import ASGIApp, Receive, Scope, Send

_FIELDS = "coterie.fields"


class Layer(ABC):
    """An ASGI layer. What it has nothing to do with goes on as if it were not there.

    Every coroutine on a request's way costs when it begins, and again at each message.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """ASGI's call."""
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        layer: ASGIApp = self
        while isinstance(layer, Layer):  # In a loop: a call for each layer takes twice as long.
            if layer.concerns(scope):
                return layer.passed(scope, receive, send)
            layer = layer._app
        return layer(scope, receive, send)

    @abstractmethod
    def concerns(self, scope: Scope) -> bool:
        """Whether a request is to pass this layer."""

    @abstractmethod
    async def passed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer it, or hand it on to `_app`."""


def fields_of(scope: Scope) -> dict[bytes, bytes]:
    """The header fields of a request by their names; of those that come twice, the first.

    Made once for a request; `with_headers` changes them.
    """
    found: dict[bytes, bytes] | None = scope.get(_FIELDS)
    if found is None:
        found = scope[_FIELDS] = dict(reversed(scope["headers"]))
    return found


def with_headers(scope: Scope, headers: list[tuple[bytes, bytes]]) -> None:
    """Let these be the headers of the request from here on."""
    scope["headers"] = headers
    scope.pop(_FIELDS, None)
