"""The keys that are kept in the store: only their hashes, never the keys themselves."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import Field, ValidationError

from experts.errors import NameTaken, StoreError, UnknownObject
from orchestrator.config.keys.section import KeyTerms, hash_of
from orchestrator.store.base import Store

PREFIX = "apikey:"
SECRET_PREFIX = "sk-coterie-"  # noqa: S105 - what every key begins with
SECRET_BYTES = 32
"""Of randomness: what nobody can guess needs no slow hash."""
CHANGED = "apikeys"
"""Under it stands how often a key was made or revoked: whoever reads it sees whether to look."""


class StoredKey(KeyTerms):
    """A key as the store has it."""

    hash: str = Field(repr=False)
    created: str
    """When, in UTC (ISO 8601)."""
    revoked: str | None = None
    """When, in UTC. It stays on record, so that a service whose last key was revoked stays shut."""


class KeyBook:
    """Makes, lists and revokes the keys of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(self, name: str, terms: KeyTerms, at: datetime | None = None) -> str:
        """Make a key and return it; it is shown this once. Raises NameTaken and StoreError."""
        secret = SECRET_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
        entry = {**terms_of(terms), "hash": hash_of(secret.encode()), "created": _written(at)}

        def add(known: Any) -> Any:
            if known is not None and known.get("revoked") is None:
                raise NameTaken(
                    f"There is a key `{name}` already.",
                    hint="Revoke it first (`coterie key revoke`), or choose another name.",
                    param="name",
                )
            return entry

        await self._store.change(PREFIX + name, add)
        await self._tell()
        return secret

    async def revoke(self, name: str, at: datetime | None = None) -> None:
        """Let a key open nothing any more. Raises UnknownObject and StoreError."""

        def end(known: Any) -> Any:
            if known is None or known.get("revoked") is not None:
                raise UnknownObject(
                    f"The store has no key `{name}` that could be revoked.", param="name"
                )
            return {**known, "revoked": _written(at)}

        await self._store.change(PREFIX + name, end)
        await self._tell()

    async def changes(self) -> Any:
        """What is another value when a key was made or revoked meanwhile. Raises StoreError."""
        return await self._store.get(CHANGED)

    async def all(self) -> Mapping[str, StoredKey]:
        """Every key that was ever made, by its name. Raises StoreError."""
        found = await self._store.items(PREFIX)
        return {key.removeprefix(PREFIX): _read(key, value) for key, value in found}

    async def _tell(self) -> None:
        await self._store.change(CHANGED, lambda count: count + 1 if type(count) is int else 1)


def terms_of(key: KeyTerms) -> dict[str, Any]:
    """What of a key's terms is not as usual, as plain JSON."""
    names = set(KeyTerms.model_fields)
    return key.model_dump(by_alias=True, include=names, exclude_defaults=True)


def _written(at: datetime | None) -> str:
    return (at or datetime.now(UTC)).isoformat(timespec="seconds")


def _read(key: str, value: Any) -> StoredKey:
    try:
        return StoredKey.model_validate(value)
    except ValidationError:  # Its words may show what was kept.
        pass
    raise StoreError(
        f"What the store has under {key} is no key of this version of Coterie.",
        hint="Run the version that made it, or make it anew with `coterie key`.",
    )
