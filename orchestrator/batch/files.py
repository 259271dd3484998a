"""Files of clients: what they uploaded, and what batches made for them."""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from experts.errors import BodyTooLarge, RequestError, UnknownObject
from orchestrator.batch.gateways import is_gone
from orchestrator.batch.keys import made_at, new_id, owned, under
from orchestrator.batch.paging import Page, page
from orchestrator.store.base import Store

Purpose = Literal["batch", "batch_output"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
CHUNK_BYTES = 1 << 18
LINE_END = b"\n"
BOM = b"\xef\xbb\xbf"
LONGEST_UPLOAD_S = 24 * 3600
"""An upload that is older, or whose gateway is gone, has broken off."""
_KIND = "file"
_UPLOADS = "upload:"
"""What is being uploaded, so that nothing stays of what breaks off."""


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What is known of a file; its content is a log of the store."""

    id: str
    owner: str | None
    """The name of the API key that it belongs to; None where there are no keys."""
    filename: str
    purpose: Purpose
    bytes: int
    chunks: int
    created_at: int

    def to_json(self) -> dict[str, Any]:
        """OpenAI's file object."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": self.bytes,
            "created_at": self.created_at,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
        }


def new_file_id(now: float) -> str:
    """An id that nobody can guess."""
    return new_id("file-", now)


class Files:
    """The files in a store, each of one owner; to others it does not exist."""

    def __init__(
        self, store: Store, max_mb: float, gateway: str, clock: Callable[[], float] = time.time
    ) -> None:
        """`max_mb` bounds a file that is uploaded; `gateway` is the one that takes it."""
        self._store = store
        self._max_mb = max_mb
        self._gateway = gateway
        self._clock = clock

    async def upload(
        self, owner: str | None, filename: str, purpose: str, pieces: AsyncIterator[bytes]
    ) -> FileInfo:
        """Keep what a client sends.

        Raises RequestError for a purpose that clients cannot have, BodyTooLarge, StoreError.
        """
        if purpose != "batch":
            raise RequestError("`purpose` must be `batch`.", param="purpose")
        limit = int(self._max_mb * (1 << 20))
        now = self._clock()
        identifier = new_file_id(now)
        await self._store.put(_UPLOADS + identifier, {"gateway": self._gateway, "at": now})
        try:
            info = await self.write(identifier, owner, filename, "batch", _bounded(pieces, limit))
        except BaseException:
            # A file is there once its content is: what came so far is nobody's.
            await self._discard(identifier)
            raise
        await self._store.change(_UPLOADS + identifier, lambda _: None)
        return info

    async def write(
        self,
        identifier: str,
        owner: str | None,
        filename: str,
        purpose: Purpose,
        pieces: AsyncIterator[bytes],
    ) -> FileInfo:
        """Keep a file under an id, in place of what a write that broke off has left."""
        await self._store.drop(_log(identifier))
        size, number = 0, 0
        async for chunk in chunked(pieces, CHUNK_BYTES):
            await self._store.add(_log(identifier), {number: chunk})
            size, number = size + len(chunk), number + 1
        created = made_at(identifier)
        info = FileInfo(identifier, owner, filename, purpose, size, number, created)
        await self._store.put(owned(_KIND, owner, identifier), asdict(info))
        return info

    async def get(self, owner: str | None, identifier: str) -> FileInfo:
        """Raises UnknownObject where there is none of this owner."""
        found = await self._store.get(owned(_KIND, owner, identifier))
        if found is None:
            raise UnknownObject(f"No file is called `{identifier}`.", param="id")
        return FileInfo(**found)

    async def list(
        self, owner: str | None, purpose: str | None, after: str | None, limit: int, newest: bool
    ) -> Page[FileInfo]:
        """One page of an owner's files. Raises RequestError for an `after` that is none of them."""
        return await page(
            self._store,
            under(_KIND, owner),
            after,
            limit,
            newest=newest,
            read=lambda value: FileInfo(**value),
            wanted=lambda one: purpose in (None, one.purpose),
        )

    async def delete(self, owner: str | None, identifier: str) -> None:
        """Raises UnknownObject. What a batch has read of it stays with the batch."""
        await self.get(owner, identifier)
        await self.remove(owner, identifier)

    async def remove(self, owner: str | None, identifier: str) -> None:
        """Delete what there is of a file."""
        await self._store.change(owned(_KIND, owner, identifier), lambda _: None)
        await self._store.drop(_log(identifier))

    async def clear(self) -> None:
        """Delete what is left of uploads that have broken off."""
        for key, upload in await self._store.items(_UPLOADS):
            late = upload["at"] + LONGEST_UPLOAD_S < self._clock()
            if late or is_gone(upload["gateway"]):
                await self._discard(key.removeprefix(_UPLOADS))

    async def _discard(self, identifier: str) -> None:
        await self._store.drop(_log(identifier))
        await self._store.change(_UPLOADS + identifier, lambda _: None)

    async def content(self, info: FileInfo) -> AsyncIterator[bytes]:
        """The file, in pieces. Raises UnknownObject where it is deleted meanwhile."""
        for number in range(info.chunks):
            found = await self._store.read(_log(info.id), number, number + 1)
            if not found:
                raise UnknownObject(f"The file `{info.id}` is deleted.", param="id")
            for _, chunk in found:
                yield chunk


async def lines(pieces: AsyncIterator[bytes], longest: int) -> AsyncIterator[tuple[int, bytes]]:
    """The lines that are not blank, each with its number from 1 on, without its end.

    Lines end with a line feed, or with a carriage return before it; nothing else ends a line. What
    is longer than `longest` bytes is cut there, and one more, so that it can be told.
    """
    number, held = 0, b""
    async for piece in _ended(pieces):
        *whole, rest = piece.split(LINE_END)
        for part in whole:
            number += 1
            line = (held + part[: longest + 1 - min(len(held), longest + 1)]).removesuffix(b"\r")
            held = b""
            line = line.removeprefix(BOM) if number == 1 else line
            if line.strip():
                yield number, line
        held += rest[: max(0, longest + 1 - len(held))]


async def chunked(pieces: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    """The same bytes in pieces of this size, the last one smaller."""
    held = bytearray()
    async for piece in pieces:
        held += piece
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)


async def _ended(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for piece in pieces:
        yield piece
    yield LINE_END


async def _bounded(pieces: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    size = 0
    async for piece in pieces:
        size += len(piece)
        if size > limit:
            raise too_large(limit)
        yield piece


def too_large(limit: int) -> BodyTooLarge:
    """Of a file with more than so many bytes."""
    most = f"{limit / (1 << 20):g} MB (batches.max_file_mb)"
    return BodyTooLarge(f"The file is larger than {most}: split it.")


def _log(identifier: str) -> str:
    return f"file:{identifier}"
