"""The keys that open a running gateway: those of its configuration, and those of the store."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experts.errors import ConfigError, NameTaken, StoreError
from orchestrator.config.keys.section import KeyTerms, hash_of, matches
from orchestrator.config.server_section import ServerConfig
from orchestrator.keys.book import KeyBook, StoredKey
from orchestrator.keys.counters import Counters
from orchestrator.keys.limiter import KeyLimiter

LOGGER = logging.getLogger("coterie.keys")


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A key that is known, less the key itself."""

    name: str
    terms: KeyTerms
    limiter: KeyLimiter

    def may_ask(self, model: str) -> bool:
        """Whether the model exists for this key."""
        return self.terms.models is None or matches(model, self.terms.models)


class KeyRing:
    """Knows keys by their digests, and looks into the store for new ones now and then."""

    def __init__(self, server: ServerConfig, counters: Counters) -> None:
        """Knows those of the configuration; `load` reads the others."""
        self._server = server
        self._counters = counters
        self._book = KeyBook(counters.store)
        self._stored: Mapping[str, StoredKey] = {}
        self._seen: Any = None
        self._entries: dict[str, KeyEntry] = {}
        self._by_digest: dict[str, KeyEntry] = {}
        self._looking: asyncio.Task[None] | None = None
        self._told: set[str] = set()
        self._arrange()

    @property
    def locks(self) -> bool:
        """Whether requests need a key: there is one, or there was one in the store."""
        return bool(self._server.api_keys or self._stored)

    def find(self, secret: bytes) -> KeyEntry | None:
        """Whose key it is.

        What is looked up is its digest: how long that takes tells at most about a digest, which
        says nothing of any key and which nobody can choose. So no time depends on a kept key.
        """
        return self._by_digest.get(hash_of(secret))

    def named(self, name: str | None) -> KeyEntry | None:
        """The key of that owner, unless it is revoked or was never there."""
        return self._entries.get(name) if name is not None else None

    def is_revoked(self, name: str | None) -> bool:
        """Whether that owner's key was revoked."""
        return name not in self._entries and name in self._stored

    async def load(self) -> None:
        """Read what the store has. Raises StoreError, and ConfigError for a name with two keys."""
        await self._read()
        if doubled := self._doubled():
            raise ConfigError(" ".join(map(_two_owners, doubled)))

    def check(self, server: ServerConfig) -> None:
        """Raise ConfigError where a name of another configuration has a key in the store, too."""
        own = {name for name, key in self._stored.items() if key.revoked is None}
        if doubled := sorted(own & server.api_keys.keys()):
            problems = tuple(map(_two_owners, doubled))
            raise ConfigError("The store has a key of the same name.", problems=problems)

    async def adopt(self, server: ServerConfig) -> None:
        """Know the keys of another configuration from now on, within its limits.

        A key that stays as it was keeps what it has used; of others, what was drawn ahead of their
        limits is given back.
        """
        before = self._entries
        if server.limits != self._server.limits:
            self._entries = {}
        self._server, self._counters.settings = server, server.limits
        self._arrange()
        for entry in before.values():
            if self._entries.get(entry.name) is not entry:
                await entry.limiter.close()

    def start(self) -> None:
        """Begin to look for keys that were made or revoked elsewhere."""
        self._looking = asyncio.create_task(self._look())

    async def stop(self) -> None:
        """Look no more, and give back what the limits have drawn ahead."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])
        for entry in self._entries.values():
            await entry.limiter.close()

    async def create(self, name: str, terms: KeyTerms) -> str:
        """Make a key, which opens this gateway at once. Raises NameTaken and StoreError."""
        if name in self._server.api_keys:
            raise NameTaken(
                f"server.api_keys.{name} of the configuration has that name.",
                hint="Choose another one.",
                param="name",
            )
        secret = await self._book.create(name, terms)
        await self._read()
        return secret

    async def revoke(self, name: str) -> None:
        """Raises UnknownObject and StoreError; NameTaken for one of the configuration."""
        if name in self._server.api_keys:
            raise NameTaken(
                f"The key `{name}` stands in the configuration, as server.api_keys.{name}.",
                hint="Take it away there.",
                param="name",
            )
        await self._book.revoke(name)
        await self._read()

    async def stored(self) -> Mapping[str, StoredKey]:
        """The keys of the store, revoked ones too. Raises StoreError."""
        await self._read()
        return self._stored

    async def _look(self) -> None:
        away = False
        while True:
            await asyncio.sleep(self._server.limits.refresh_s)
            try:
                if await self._book.changes() != self._seen:
                    await self._read()
            except StoreError as error:
                if not away:
                    LOGGER.warning("keys are those that were known until now: %s", error)
                away = True
                continue
            away = False

    async def _read(self) -> None:
        # First the count: what is made meanwhile is read again the next time.
        self._seen = await self._book.changes()
        self._stored = await self._book.all()
        self._arrange()

    def _doubled(self) -> list[str]:
        """Names of the configuration that keys of the store have, too."""
        return [
            name for name, key in self._stored.items() if key.revoked is None and self._is_own(name)
        ]

    def _is_own(self, name: str) -> bool:
        return name in self._server.api_keys

    def _arrange(self) -> None:
        terms: dict[str, tuple[str, KeyTerms]] = {
            name: (key.hash, key) for name, key in self._stored.items() if key.revoked is None
        }
        # The configuration goes first: who can write to the store cannot take its names.
        for name in set(self._doubled()) - self._told:
            LOGGER.warning(
                "the store's key `%s` opens nothing: server.api_keys has that name", name
            )
            self._told.add(name)
        terms |= {name: (key.digest, key) for name, key in self._server.api_keys.items()}
        self._entries = {name: self._entry(name, kept) for name, (_, kept) in terms.items()}
        self._by_digest = {digest: self._entries[name] for name, (digest, _) in terms.items()}

    def _entry(self, name: str, terms: KeyTerms) -> KeyEntry:
        known = self._entries.get(name)
        if known is not None and known.terms == terms:
            return known  # With what its limiter has drawn and counted.
        return KeyEntry(name, terms, KeyLimiter(name, terms, self._counters))


def _two_owners(name: str) -> str:
    return (
        f"server.api_keys.{name}: the store has a key of that name too; rename this one, or"
        f" `coterie key revoke {name}`."
    )
