"""The batches in a store: made, listed, cancelled, and held by the gateway that runs them."""

import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any

from experts.errors import RequestError, UnknownObject
from orchestrator.batch.batch import Batch, cancelled, claimed, restored, stored
from orchestrator.batch.files import Files, new_file_id
from orchestrator.batch.gateways import is_gone
from orchestrator.batch.line import ENDPOINTS
from orchestrator.batch.paging import Page, page
from orchestrator.store.base import Store

WINDOW, WINDOW_S = "24h", 24 * 3600
MOST_METADATA, LONGEST_NAME, LONGEST_VALUE = 16, 64, 512
_KEY = "batch:"


class Batches:
    """Each of one owner; to others it does not exist."""

    def __init__(self, store: Store, files: Files, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._files = files
        self._clock = clock

    async def create(
        self,
        owner: str | None,
        input_file_id: str,
        endpoint: str,
        completion_window: str,
        metadata: Mapping[str, str] | None,
    ) -> Batch:
        """Raises RequestError, UnknownObject where there is no such file, StoreError."""
        if endpoint not in ENDPOINTS:
            raise RequestError(
                f"`endpoint` must be one of {', '.join(ENDPOINTS)}.", param="endpoint"
            )
        if completion_window != WINDOW:
            raise RequestError(f"`completion_window` must be {WINDOW}.", param="completion_window")
        check_metadata(metadata)
        source = await self._files.get(owner, input_file_id)
        if source.purpose != "batch":
            raise RequestError(
                f"`input_file_id`: the file's purpose is {source.purpose}, not batch.",
                param="input_file_id",
            )
        now = int(self._clock())
        batch = Batch(
            f"batch_{secrets.token_hex(16)}",
            owner,
            endpoint,
            input_file_id,
            new_file_id(),
            new_file_id(),
            now,
            now + WINDOW_S,
            completion_window,
            metadata,
        )
        await self._store.put(_KEY + batch.id, stored(batch))
        return batch

    async def get(self, owner: str | None, identifier: str) -> Batch:
        """Raises UnknownObject where there is none of this owner."""
        return _own(await self._store.get(_KEY + identifier), owner, identifier)

    async def list(self, owner: str | None, after: str | None, limit: int) -> Page[Batch]:
        """One page of an owner's batches, newest first."""
        every = [restored(value) for _, value in await self._store.items(_KEY)]
        return page([one for one in every if one.owner == owner], after, limit, newest=True)

    async def cancel(self, owner: str | None, identifier: str) -> Batch:
        """Ask for its end. Raises UnknownObject, and RequestError for one that has ended."""

        def update(value: Any) -> Any:
            batch = _own(value, owner, identifier)
            if batch.ended and batch.status != "cancelled":
                raise RequestError(f"Cannot cancel a batch with status '{batch.status}'.")
            return stored(cancelled(batch, self._clock()))

        return restored(await self._store.change(_KEY + identifier, update))

    async def update(self, identifier: str, change: Callable[[Batch], Batch]) -> Batch:
        """Change a batch in one step."""
        changed = await self._store.change(
            _KEY + identifier, lambda value: stored(change(restored(value)))
        )
        return restored(changed)

    async def claim(self, gateway: str) -> AsyncIterator[Batch]:
        """The batches that this gateway runs from now on: those that nobody runs, oldest first."""
        every = [restored(value) for _, value in await self._store.items(_KEY)]
        for batch in sorted(every, key=lambda one: (one.created_at, one.id)):
            if claimed(batch, gateway, self._clock(), is_gone) is None:
                continue
            taken = await self.hold(batch.id, gateway)
            if taken is not None:
                yield taken

    async def hold(self, identifier: str, gateway: str) -> Batch | None:
        """Say that this gateway runs a batch; None where another one does, or it has ended."""

        def update(value: Any) -> Any:
            batch = restored(value)
            return stored(claimed(batch, gateway, self._clock(), is_gone) or batch)

        batch = restored(await self._store.change(_KEY + identifier, update))
        return batch if batch.holder == gateway and not batch.ended else None

    async def release(self, identifier: str, gateway: str) -> None:
        """Let others run it."""
        await self.update(
            identifier,
            lambda one: replace(one, holder=None, held_until=0.0) if one.holder == gateway else one,
        )


def check_metadata(metadata: Mapping[str, str] | None) -> None:
    """Raise RequestError for more than OpenAI takes."""
    if metadata is None:
        return
    longest = any(len(k) > LONGEST_NAME or len(v) > LONGEST_VALUE for k, v in metadata.items())
    if len(metadata) > MOST_METADATA or longest:
        raise RequestError(
            f"`metadata` may have {MOST_METADATA} pairs, with names of {LONGEST_NAME} and values of"
            f" {LONGEST_VALUE} characters.",
            param="metadata",
        )


def _own(value: Any, owner: str | None, identifier: str) -> Batch:
    if value is None or value["owner"] != owner:
        raise UnknownObject(f"No batch is called `{identifier}`.", param="batch_id")
    return restored(value)
