"""Starts what lets requests not run again: the cache, and the memory of idempotency keys."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.config.model import Config
from orchestrator.request.pipeline import Pipeline
from orchestrator.request.reuse.answers import ANSWERS, Answers, UnderWay
from orchestrator.request.reuse.shelf import Shelf
from orchestrator.request.reuse.versions import versions_of
from orchestrator.server.reuse.gate import Idempotency
from orchestrator.server.reuse.ledger import REQUESTS, Ledger
from orchestrator.store.base import Store


@dataclass(frozen=True, slots=True)
class Reuse:
    """What one gateway has of both, each None where the configuration has none."""

    under_way: UnderWay | None
    idempotency: Idempotency | None

    async def answers(self, config: Config, pipeline: Pipeline) -> Answers | None:
        """The answers of one configuration, which is read from its weights and tables."""
        if self.under_way is None:
            return None
        return await answers_of(config, pipeline, self.under_way)

    def counts(self) -> Mapping[str, float]:
        """What can be scraped of them."""
        found: dict[str, float] = {}
        if self.under_way is not None:
            shelf, outcomes = self.under_way.shelf, self.under_way.outcomes
            found = {
                "hits": outcomes["hit"],
                "misses": outcomes["miss"],
                "coalesced": outcomes["coalesced"],
                "stored": shelf.stored,
                "evicted": shelf.evicted,
                "bytes": shelf.total_bytes,
            }
        if self.idempotency is not None:
            found["replays"] = self.idempotency.replays
        return found


async def answers_of(config: Config, pipeline: Pipeline, under_way: UnderWay) -> Answers:
    """Those of one configuration; others before and after it have the same cache."""
    versions = await asyncio.to_thread(versions_of, config)
    return Answers(config, pipeline, versions, under_way)


def reuse_of(config: Config, store: Store) -> Reuse:
    """What the configuration asks for, over a store that other gateways may share."""
    cache, keys = config.server.cache, config.server.idempotency
    under_way = idempotency = None
    if cache is not None:
        under_way = UnderWay(Shelf(store, ANSWERS, cache, "no answer is kept or found"), cache)
    if keys is not None:
        shelf = Shelf(store, REQUESTS, keys, "idempotency keys count on this gateway alone")
        idempotency = Idempotency(Ledger(shelf, keys))
    return Reuse(under_way, idempotency)
