"""The batches in a store: made, listed, cancelled, and held by the gateway that runs them."""

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from experts.errors import InUse, RequestError, UnknownObject
from orchestrator.batch.batch import Batch, cancelled, claimed, restored, stored
from orchestrator.batch.checking import lines_log, results_log
from orchestrator.batch.files import Files
from orchestrator.batch.gateways import is_gone
from orchestrator.batch.keys import made_at, new_id, owned, under
from orchestrator.batch.line import ENDPOINTS
from orchestrator.batch.paging import Page, page
from orchestrator.store.base import Store

WINDOW, WINDOW_S = "24h", 24 * 3600
MOST_METADATA, LONGEST_NAME, LONGEST_VALUE = 16, 64, 512
_KIND = "batch"
_OPEN = "open-batch:"
"""Those that have not ended, or of which more is in the store than stays: nobody looks for them
among all the others."""


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
        try:
            source = await self._files.get(owner, input_file_id)
        except UnknownObject as error:
            raise UnknownObject(error.message, param="input_file_id") from None
        if source.purpose != "batch":
            raise RequestError(
                f"`input_file_id`: the file's purpose is {source.purpose}, not batch.",
                param="input_file_id",
            )
        identifier = new_id("batch_", self._clock())
        now = made_at(identifier)
        batch = Batch(
            identifier,
            owner,
            endpoint,
            input_file_id,
            created_at=now,
            expires_at=now + WINDOW_S,
            completion_window=completion_window,
            metadata=metadata,
        )
        await self._store.put_all({_key(batch): stored(batch), _OPEN + identifier: owner or ""})
        return batch

    async def get(self, owner: str | None, identifier: str) -> Batch:
        """Raises UnknownObject where there is none of this owner."""
        return _found(await self._store.get(owned(_KIND, owner, identifier)), identifier)

    async def list(
        self, owner: str | None, after: str | None, limit: int, newest: bool
    ) -> Page[Batch]:
        """One page of an owner's batches. Raises RequestError for a wrong `after`."""
        own = under(_KIND, owner)
        return await page(self._store, own, after, limit, newest=newest, read=restored)

    async def delete_file(self, owner: str | None, identifier: str) -> None:
        """Forget a file. Raises UnknownObject, and InUse where a batch needs it that is not over.

        A batch reads its file once, at its start, and may have to begin again after a crash.
        """
        await self._files.get(owner, identifier)
        for batch in await self._of(owner):
            if batch.input_file_id == identifier and not batch.ended:
                raise InUse(
                    f"The file `{identifier}` is the input of `{batch.id}`, which is"
                    f" {batch.status}.",
                    hint="Cancel the batch, or wait for its end.",
                    param="file_id",
                )
        await self._files.delete(owner, identifier)

    async def _of(self, owner: str | None) -> Sequence[Batch]:
        return [restored(value) for _, value in await self._store.items(under(_KIND, owner))]

    async def cancel(self, owner: str | None, identifier: str) -> Batch:
        """Ask for its end. Raises UnknownObject, and RequestError for one that has ended."""

        def update(value: Any) -> Any:
            batch = _found(value, identifier)
            if batch.ended and batch.status != "cancelled":
                raise RequestError(f"Cannot cancel a batch with status '{batch.status}'.")
            return stored(cancelled(batch, self._clock()))

        return restored(await self._store.change(owned(_KIND, owner, identifier), update))

    async def update(self, batch: Batch, change: Callable[[Batch], Batch]) -> Batch:
        """Change a batch in one step. Raises UnknownObject where the store has lost it."""
        changed = await self._store.change(
            _key(batch), lambda value: stored(change(_found(value, batch.id)))
        )
        return restored(changed)

    async def claim(self, gateway: str) -> AsyncIterator[Batch]:
        """The batches that this gateway runs from now on: those that nobody runs, oldest first.

        Of those that have ended, what should not stay is removed.
        """
        for key, owner in await self._store.items(_OPEN):
            identifier = key.removeprefix(_OPEN)
            value = await self._store.get(owned(_KIND, owner, identifier))
            if value is None:
                await self._store.change(key, lambda _: None)
                continue
            batch = restored(value)
            if batch.ended:
                await self.clean_up(batch)
            elif claimed(batch, gateway, self._clock(), is_gone) is not None:
                taken = None
                with suppress(UnknownObject):  # Lost by the store this very moment.
                    taken = await self.hold(batch, gateway)
                if taken is not None:
                    yield taken

    async def hold(self, batch: Batch, gateway: str) -> Batch | None:
        """Say that this gateway runs a batch; None where another one does, or it has ended.

        Raises UnknownObject where the store has lost it.
        """
        held = await self.update(
            batch, lambda one: claimed(one, gateway, self._clock(), is_gone) or one
        )
        return held if held.holder == gateway and not held.ended else None

    async def release(self, batch: Batch, gateway: str) -> None:
        """Let others run it."""
        await self.update(
            batch,
            lambda one: replace(one, holder=None, held_until=0.0) if one.holder == gateway else one,
        )

    async def clean_up(self, batch: Batch) -> None:
        """Remove what an ended batch does not need: all but itself and the files that it names."""
        await self._store.drop(lines_log(batch.id))
        await self._store.drop(results_log(batch.id))
        told = batch.to_json()
        for name, identifier in batch.own_files.items():
            if told[name] is None:
                await self._files.remove(batch.owner, identifier)
        await self._store.change(_OPEN + batch.id, lambda _: None)


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


def _key(batch: Batch) -> str:
    return owned(_KIND, batch.owner, batch.id)


def _found(value: Any, identifier: str) -> Batch:
    if value is None:
        raise UnknownObject(f"No batch is called `{identifier}`.", param="batch_id")
    return restored(value)
