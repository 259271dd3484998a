"""What the endpoints need of whoever reloads the service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from orchestrator.server.bodies.reload import ConfigStatus, Considered, Probed

Result = Literal["applied", "unchanged", "compared"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a configuration."""

    result: Result
    generation: int
    """Of the configuration that runs now; 1 is the one that the service was started with."""
    difference: Sequence[str] = ()
    """What is otherwise in it, one sentence each; what needs a restart begins with these words."""
    warnings: Sequence[str] = ()
    """What the routers warn of."""


@dataclass(frozen=True, slots=True)
class Added:
    """What became of one more expert."""

    outcome: Outcome
    resident: bool
    compositions: Sequence[Considered]
    probed: Probed | None = None
    """None where it was asked nothing."""
    held: bool = False
    """Whether routers have learned of it and decide as before."""


class Reloads(Protocol):
    """Applies one configuration after the other."""

    async def reload(self, *, dry_run: bool = False) -> Outcome:
        """Take over what the file says now, or with `dry_run` only tell what would change.

        Raises ConfigError for a file with mistakes, and ReloadRefused where it cannot be taken
        over. In both cases the configuration that runs goes on.
        """
        ...

    async def add_expert(
        self, name: str, keys: Mapping[str, Any], probes: int | None = None, *, hold: bool = False
    ) -> Added:
        """One expert more, until the next reload. Raises what `reload` does, and NameTaken.

        It is asked so many probe questions, or as many as the configuration says. With `hold`, the
        routers that have learned of it decide as before until `route_to`.
        """
        ...

    async def route_to(self, name: str) -> list[str]:
        """Let the routers decide that have learned of an expert; returns what they warn of.

        Raises ReloadRefused where none waits.
        """
        ...

    async def check_expert(self, name: str, keys: Mapping[str, Any]) -> list[str]:
        """What one expert more would change. Raises what `add_expert` would without a load."""
        ...

    async def pin(self, name: str, pinned: bool) -> Outcome:
        """Keep an expert in its slot, or no more, until the next reload.

        Raises what `reload` does: ConfigError where all that is pinned does not fit.
        """
        ...

    def status(self) -> ConfigStatus:
        """Which configuration runs, and what became of the last one."""
        ...
