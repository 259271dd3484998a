"""The service's own embeddings, apart from HTTP."""

import asyncio
import threading
from typing import Any

import pytest
from served_gateway import LengthEncoder

from experts.types import Request
from orchestrator.config.model import ServerConfig
from orchestrator.request.context import RequestContext
from orchestrator.request.embedding.own import AT_ONCE, OwnEmbeddings
from orchestrator.request.tracing.trace import Trace


async def test_a_client_that_leaves_ends_the_work() -> None:
    encoded: list[int] = []
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    go_on = threading.Event()

    class Slow(LengthEncoder):
        def encode_ids(self, windows: Any) -> Any:
            encoded.append(len(windows))
            loop.call_soon_threadsafe(begun.set)
            assert go_on.wait(10)
            return super().encode_ids(windows)

    own = OwnEmbeddings(Slow, ServerConfig())
    body = {"input": ["x" * 8_000]}
    context = RequestContext(Request("r", "embeddings", body), "coterie/embed")
    work = asyncio.create_task(own.answer(context, Trace()))
    await begun.wait()
    work.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert encoded == [AT_ONCE]
