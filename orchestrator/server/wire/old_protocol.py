"""The protocol of a client that speaks HTTP/1.0."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from orchestrator.server.wire.bounds import ClientBounds
from orchestrator.server.wire.patience import Flow, Patience


class OldProtocol(H11Protocol):
    """uvicorn's protocol over h11, which also cuts off a client that does not go on."""

    bounds: ClientBounds
    flow: Flow
    _heard = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first line of its one request has come."""
        super().connection_made(transport)
        self.flow = Flow(transport)
        self._begun = self.loop.time()
        self._patience = Patience(self.bounds.timeout_s, self._waiting_since, self._cut_off)

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        self._heard = self.loop.time()
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        super().connection_lost(exc)
        self._patience.end()

    def _waiting_since(self) -> float | None:
        if self.conn.their_state is h11.IDLE:
            return self._begun
        if self.conn.their_state is not h11.SEND_BODY or self.flow.read_paused:
            return None
        return max(self._heard, self.flow.resumed)

    def _cut_off(self) -> None:
        if self.transport.is_closing():
            return
        self.bounds.cut_off.add()
        if self.cycle is None or not self.cycle.response_started:
            self.transport.write(self.bounds.too_slow)
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()
