"""How a gateway reaches the controller."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from experts.spec import HostedSpec
from orchestrator.residency.shared import messages as told


class Away(Exception):
    """The controller cannot be reached, or is being restarted."""


class Link(Protocol):
    """The way to the controller. Every call raises Away, and UnknownGateway but for `hello`."""

    async def hello(self, hello: told.Hello) -> None:
        """Raises ServiceError where the pool cannot be had."""
        ...

    async def report(self, who: told.Who, batch: int, events: Sequence[told.Event]) -> None:
        """As `Controller.report`, and so are the others."""
        ...

    async def listen(self, who: told.Who, heard: int) -> Sequence[tuple[int, told.Message]]: ...

    async def reconfigure(
        self, who: told.Who, specs: Mapping[str, HostedSpec], renewed: Collection[str]
    ) -> None:
        """Raises ReloadRefused."""
        ...

    async def goodbye(self, gateway: str) -> None: ...

    async def suspect(self, expert: str, slot: str) -> bool: ...

    async def refresh(self) -> None: ...
