"""How a service stops: first it is not ready, then it takes no requests, then it is idle.

Operators may ask for the first alone, to take a gateway out of a load balancer, and take it back.
"""

import asyncio


class Drain:
    """What a service that stops tells load balancers, and the requests that still come."""

    def __init__(self) -> None:
        self.begun = False
        """Readiness says no."""
        self.refuses = False
        """New requests are refused."""
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def begin(self) -> None:
        """Be no longer ready, but go on answering."""
        self.begun = True

    def end(self) -> None:
        """Be ready again, unless the service stops."""
        self.begun = self.refuses

    def refuse(self) -> None:
        """Take no further requests."""
        self.begun = self.refuses = True

    @property
    def in_flight(self) -> int:
        """Requests that are under way."""
        return self._in_flight

    def entered(self) -> None:
        """A request is under way."""
        self._in_flight += 1
        self._idle.clear()

    def left(self) -> None:
        """It has been answered."""
        self._in_flight -= 1
        if not self._in_flight:
            self._idle.set()

    async def idle(self, timeout_s: float) -> bool:
        """Wait until no request is under way; False when that takes longer."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True
