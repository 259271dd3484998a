"""A whole service over scripted slots, started from a file that a test writes again and again."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from openai import AsyncOpenAI
from scripted_slot import PATIENCE_S, ScriptedSlot

from orchestrator.reload.config_file import ConfigFile
from orchestrator.reload.introducing import Introduce
from orchestrator.residency.pool import ExpertPool
from orchestrator.service import Service
from orchestrator.service import pool as pool_parts
from orchestrator.service import service as module

SLOTS = {"memory_gb": 16, "canary_tokens": 0}


def hosted(model: str = "org/m", **keys: Any) -> dict[str, Any]:
    """The lines of a hosted expert."""
    return {"type": "vllm", "model": model, "memory_gb": 1, **keys}


class Reloading:
    """The service, its file, its slot, and clients of it."""

    def __init__(self, path: Path, service: Service, slot: ScriptedSlot) -> None:
        self.path = path
        self.service = service
        self.slot = slot
        self.http = httpx.AsyncClient(
            base_url=service.base_url, timeout=PATIENCE_S, trust_env=False
        )
        self.openai = AsyncOpenAI(
            base_url=f"{service.base_url}/v1", api_key="none", max_retries=0, timeout=PATIENCE_S
        )

    def write(self, **tree: Any) -> None:
        """What the file says from now on."""
        write(self.path, **tree)

    async def reload(self, **body: Any) -> httpx.Response:
        # The first router that embeds imports torch, and loads the encoder.
        return await self.http.post("/coterie/reload", json=body, timeout=60)

    async def reloaded(self, **tree: Any) -> dict[str, Any]:
        """Write the file and reload it, which must go well."""
        self.write(**tree)
        answer = await self.reload()
        told: dict[str, Any] = answer.json()
        assert answer.status_code == 200, told
        return told

    async def chat(self, model: str, script: str = "say yes", **keys: Any) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": script}]}
        return await self.http.post("/v1/chat/completions", json=body, **keys)

    async def close(self) -> None:
        await self.http.aclose()
        await self.openai.close()
        await self.service.stop()
        assert self.slot.mistakes == []


def write(path: Path, **tree: Any) -> None:
    whole = {"slots": SLOTS, "server": {"port": 0}, **tree}
    path.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")


async def started(
    path: Path,
    base_url: str,
    patch: pytest.MonkeyPatch,
    introduce: Introduce | None = None,
    **tree: Any,
) -> Reloading:
    """A service over one slot, which the server at `base_url` answers for."""
    write(path, **tree)
    slot = ScriptedSlot("slot-0", defaultdict(lambda: 1.0))
    slot.url = base_url.removesuffix("/v1")

    async def stop(config: Any, pool: ExpertPool) -> None:
        await pool.stop()

    patch.setattr(pool_parts, "_connect", lambda *_: ([slot], None))
    patch.setattr(pool_parts, "stop_pool", stop)
    patch.setattr(module, "stop_pool", stop)
    file = ConfigFile(path)
    service = await module.start_service(
        file.started.config, on_event=lambda event: None, file=file, introduce=introduce
    )
    return Reloading(path, service, slot)
