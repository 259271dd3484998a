"""Routes for the endpoints that carry tokens, without the layers they do not use."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from experts.errors import CoterieError
from orchestrator.server.wire.layers import Layer


class DirectRoute(APIRoute):
    """An API route whose endpoint gets the bare request and the path's parameters.

    FastAPI's own handling (dependencies, body parsing, exit stacks) costs a third as much as all
    that the gateway does for a request. The route still stands in the OpenAPI document.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **settings: Any) -> None:
        super().__init__(path, endpoint, **settings)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            http = HttpRequest(scope, receive, send)
            response = await endpoint(http, **scope["path_params"])
            await response(scope, receive, send)

        self.app = app


class DirectGate(Layer):
    """Answers what is posted to direct routes at once, by their whole path.

    The innermost layer: what lies behind it looks at one route after the other, and costs several
    calls for each message. Paths with parameters take that way.
    """

    def __init__(
        self,
        app: ASGIApp,
        routes: Sequence[BaseRoute],
        refusal: Callable[[HttpRequest, CoterieError], Awaitable[Response]],
    ) -> None:
        """`refusal` makes the response of an error that an endpoint raises."""
        super().__init__(app)
        self._refusal = refusal
        direct = (route for route in routes if isinstance(route, DirectRoute))
        self._routes = {route.path: route for route in direct if "{" not in route.path}

    def concerns(self, scope: Scope) -> bool:
        """What is posted there."""
        return scope["method"] == "POST" and scope["path"] in self._routes

    async def passed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the endpoint answer."""
        route = self._routes[scope["path"]]
        scope["route"], scope["endpoint"], scope["path_params"] = route, route.endpoint, {}
        http = HttpRequest(scope, receive, send)
        try:
            response = await route.endpoint(http)
        except CoterieError as error:
            response = await self._refusal(http, error)
        await response(scope, receive, send)
