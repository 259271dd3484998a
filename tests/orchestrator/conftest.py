"""Pools over slots without processes, configurations made in memory, and gateways over them."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from batch_lines import ANSWERS
from pool_rig import Rig
from scripted_slot import ScriptedSlot
from served_gateway import Gateway, LengthEncoder

from orchestrator.config.model import Config
from orchestrator.store.base import Store
from routers.base import Router
from routers.registry import build


@pytest.fixture
def make_config() -> Callable[..., Config]:
    """A configuration of hosted experts: name -> GB, or name -> keys (`type: vllm` by default)."""

    def make(experts: Mapping[str, Any], **sections: Any) -> Config:
        specs = {
            name: {"type": "vllm", "model": f"org/{name}"}
            | ({"memory_gb": keys} if isinstance(keys, int | float) else keys)
            for name, keys in experts.items()
        }
        return Config.model_validate({"experts": specs, **sections})

    return make


@pytest.fixture
async def make_rig(make_config: Callable[..., Config]) -> AsyncIterator[Callable[..., Any]]:
    """Starts a pool: `await make_rig({"a": 1}, memory_gb=4, count=1, preload=False)`."""
    async with AsyncExitStack() as stack:

        async def make(
            experts: Mapping[str, Any],
            store: Store | None = None,
            classes: Mapping[str, Any] | None = None,
            start: bool = True,
            sleeps: bool = False,
            **slots: Any,
        ) -> Rig:
            config = make_config(
                experts, slots={"preload": False, **slots}, classes=dict(classes or {})
            )
            sizes = {n: getattr(s, "memory_gb", None) or 1.0 for n, s in config.experts.items()}
            rig = Rig(config, sizes, store, sleeps)
            stack.push_async_callback(rig.close)
            if start:
                await rig.pool.start()
            return rig

        yield make


@pytest.fixture(scope="session")
async def serve(upstream: Any) -> AsyncIterator[Callable[..., Any]]:
    """Starts a gateway: `await serve(experts={...}, routers={...}, server={...}, slots={...})`.

    Without arguments: the expert `tiny` on the scripted upstream, and `pool/auto` that asks it.
    A slot serves, as far as HTTP goes, from the upstream, too. `shared` is a store that several
    gateways have. Experts that fail are asked all the same, and again at once, unless `server` says
    otherwise: most tests let them fail on purpose.
    """
    gateways: list[Gateway] = []

    async def start(
        experts: Mapping[str, Any] | None = None,
        routers: Mapping[str, Router] | None = None,
        shared: Store | None = None,
        **sections: Any,
    ) -> Gateway:
        tiny = {"type": "openai", "base_url": upstream.base_url, "model": "tiny-model"}
        config = Config.model_validate(
            {
                "experts": {"tiny": {**tiny, "about": "says words"}, **(experts or {})},
                "routers": {"one": {"type": "static", "expert": "tiny"}},
                "compositions": {"pool/auto": {"router": "one", "about": "asks tiny"}},
                **sections,
                "server": {"breaker": None, "retry_pause_s": 0, **sections.get("server", {})},
            }
        )
        count = config.slots.most if config.hosted() else 0
        slots = [ScriptedSlot(f"slot-{n}", defaultdict(lambda: 1.0)) for n in range(count)]
        for slot in slots:
            slot.url = upstream.base_url.removesuffix("/v1")
        names = tuple(config.answering)
        built = {n: build(n, s, names, LengthEncoder) for n, s in config.routers.items()}
        gateways.append(Gateway(config, slots, {**built, **(routers or {})}, shared))
        await gateways[-1].start()
        return gateways[-1]

    yield start
    await asyncio.gather(*(gateway.stop() for gateway in gateways))


@pytest.fixture(scope="session")
async def gateway(serve: Callable[..., Any]) -> Any:
    """The gateway that most tests share."""
    return await serve()


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Prefix of the recorded answers."""
    prefix = str(tmp_path_factory.mktemp("recorded") / "quiz")
    texts = list(ANSWERS["sums"])
    queries = [{"query_id": text, "query": text} for text in texts]
    said = [
        {"query_id": text, "model": model, "response": answer}
        for model, answers in ANSWERS.items()
        for text, answer in answers.items()
    ]
    tokens = [
        {**{key: row[key] for key in ("query_id", "model")}, "prompt_tokens": 7} for row in said
    ]
    for row in tokens:
        row["completion_tokens"] = 2
    for name, rows in (("queries", queries), ("responses", said), ("outcomes", tokens)):
        pq.write_table(pa.Table.from_pylist(rows), f"{prefix}_{name}.parquet")
    return prefix
