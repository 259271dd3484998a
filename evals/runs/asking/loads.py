"""Which experts were loaded into which slots, as the service itself tells."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from evals.runs.record import LoadEvent

POLL_S = 1.0
TIMEOUT_S = 30.0


class LoadWatch:
    """Compares what the service says of its pool with what it said before.

    Loads and their seconds are the service's own counts. When one ended is known to `POLL_S`.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None,
        clock: Callable[[], float],
        on_load: Callable[[LoadEvent], None],
    ) -> None:
        """`base_url` ends before /v1; `clock` has the seconds of the run."""
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.AsyncClient(
            base_url=base_url, headers=headers, timeout=TIMEOUT_S, trust_env=False
        )
        self._clock = clock
        self._on_load = on_load
        self._known: dict[str, tuple[int, float]] = {}
        self.memory_gb: dict[str, float] = {}
        """Engine -> what it takes in its slot."""

    async def pool(self) -> Mapping[str, Any] | None:
        """What the service tells of its pool; None where it is no service of ours, or is gone."""
        try:
            answer = await self._client.get("/coterie/pool")
            tree = answer.json() if answer.status_code == 200 else None
        except (httpx.HTTPError, ValueError):
            return None
        return tree if isinstance(tree, dict) and isinstance(tree.get("loads"), dict) else None

    async def begin(self) -> None:
        """What was loaded until now is no event of this run."""
        for engine, entry in ((await self.pool()) or {}).get("loads", {}).items():
            self._known[engine] = (entry["count"], entry["seconds"])

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(POLL_S)
            await self.look()

    async def look(self) -> None:
        """Tell the loads since the last look."""
        tree = await self.pool()
        for engine, entry in (tree or {}).get("loads", {}).items():
            count, seconds = self._known.get(engine, (0, 0.0))
            more, took = entry["count"] - count, entry["seconds"] - seconds
            self._known[engine] = (entry["count"], entry["seconds"])
            if entry["count"]:
                self.memory_gb[engine] = entry["memory_gb"]
            for number in range(more):
                each, now = took / more, self._clock()
                at_s = max(0.0, now - each * (more - number))
                slot = _slot_of(engine, tree or {})
                self._on_load(
                    LoadEvent(expert=engine, slot=slot, at_s=round(at_s, 3), seconds=round(each, 3))
                )

    async def close(self) -> None:
        """Let go of the connection."""
        await self._client.aclose()


def _slot_of(engine: str, tree: Mapping[str, Any]) -> str:
    """Where it is now; empty where it has left since."""
    for slot in tree.get("slots", ()):
        if any(replica.get("engine") == engine for replica in slot.get("replicas", ())):
            return str(slot["id"])
    return ""
