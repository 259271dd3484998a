"""The gate that tells a limited key what it has left, and charges what its request came to."""

from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.config.model import Config
from orchestrator.keys.estimate import LETTERS_PER_TOKEN
from orchestrator.server.auth import caller_of
from orchestrator.server.context import trace_of
from orchestrator.server.keys.admission import ANSWERED, METERED, Metered, Prices, settle
from orchestrator.server.wire.layers import Layer

EVENT = b"data:"
EVENT_STREAM = b"text/event-stream"


class MeterGate(Layer):
    """Inside the key gate, around everything that may refuse: every answer has the headers."""

    def __init__(self, app: ASGIApp, config: Callable[[], Config]) -> None:
        """`config` gives the one of now."""
        super().__init__(app)
        self._config = config
        self._priced: tuple[Config, Prices] | None = None

    def _prices(self) -> Prices:
        config = self._config()
        if self._priced is None or self._priced[0] is not config:
            self._priced = config, Prices(config)
        return self._priced[1]

    def concerns(self, scope: Scope) -> bool:
        """Those whose key has limits."""
        caller = caller_of(scope)
        return caller is not None and caller.entry.limiter.has_limits

    async def passed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell what is left, and charge."""
        caller = caller_of(scope)
        assert caller is not None, "it concerns those that have a key"
        scope[METERED] = metered = Metered(caller.entry.limiter, self._prices())
        streams = counts = False

        async def counting(message: Message) -> None:
            nonlocal streams, counts
            if message["type"] == "http.response.start":
                streams, counts = _is_stream(message), message["status"] == ANSWERED
                message = _with_limits(message, metered)
            elif counts and metered.charge is not None:
                body = message.get("body", b"")
                sent = body.count(EVENT) if streams else len(body) // LETTERS_PER_TOKEN
                metered.charge.pieces += sent
            await send(message)

        try:
            await self._app(scope, receive, counting)
        finally:
            metered.leave()
            if metered.charge is not None:
                settle(metered.charge, trace_of(scope), metered.prices)


def _is_stream(head: Message) -> bool:
    kinds = (value for name, value in head["headers"] if name == b"content-type")
    return next(kinds, b"").startswith(EVENT_STREAM)


def _with_limits(head: Message, metered: Metered) -> Message:
    told = metered.limiter.headers().items()
    more = [(name.encode(), value.encode()) for name, value in told]
    return {**head, "headers": [*head["headers"], *more]}
