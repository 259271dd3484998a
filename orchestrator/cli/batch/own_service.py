"""The service that `coterie batch` starts for one file."""

from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import typer

from experts.errors import ServiceError, StoreError
from orchestrator.cli.serve import with_store
from orchestrator.config.model import Config
from orchestrator.residency.cost_store import carry_costs

tell = partial(typer.echo, err=True)


async def started(settings: Config, file: Path, store: Path, stack: AsyncExitStack) -> str:
    """The URL of the service, which keeps lines and results in `store` and loads what they ask.

    What costs are known to services of this configuration is known to it, and the other way round.
    """
    # Imported only now: a mistake in the configuration does not wait for the rest.
    from orchestrator.service import start_service  # noqa: PLC0415

    lasting, own_store = with_store(settings, file).store, f"sqlite:{store}"
    alone: dict[str, object] = {"api_keys": {}, "admin": None, "host": "127.0.0.1"}
    server = settings.server.model_copy(update=alone)
    slots = settings.slots.model_copy(update={"preload": False})
    own = settings.model_copy(update={"server": server, "slots": slots, "store": own_store})
    tell("starting")
    engines = tuple(settings.hosted())
    await _carry(lasting, own_store, engines)
    stack.push_async_callback(_carry, own_store, lasting, engines)
    service = await start_service(own, on_event=tell, port=0)
    stack.push_async_callback(service.stop)
    return service.base_url


def remove(store: Path) -> None:
    """A file of SQLite and what lies beside it."""
    for path in (store, Path(f"{store}-wal"), Path(f"{store}-shm")):
        path.unlink(missing_ok=True)


async def _carry(source: str, target: str, engines: tuple[str, ...]) -> None:
    """Costs are worth a word where they cannot be kept, and no more."""
    try:
        await carry_costs(source, target, engines)
    except (ServiceError, StoreError) as error:
        tell(f"costs are not carried over: {error}")
