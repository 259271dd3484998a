"""An expert that embeds, as routers ask it from their threads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from odd_upstream import JSON, OddUpstream, Sent, odd_upstream

from experts.errors import BadOutput, ConfigError, ExpertError
from orchestrator.config.model import Config
from orchestrator.request.embedding.encoder import AT_ONCE, embedder_of
from orchestrator.request.embedding.local import local_embedder


@pytest.fixture(scope="module")
async def odd() -> AsyncIterator[OddUpstream]:
    async with odd_upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
async def encoder(odd: OddUpstream, serve: Any) -> Any:
    gateway = await serve({"vectors": odd.spec("far", task="embed")})
    return embedder_of(gateway.context.config, gateway.pool)("vectors")


def _lengths(body: dict[str, Any]) -> Sent:
    """The length of each text is the first number; the last of them comes first."""
    data = [{"index": n, "embedding": [len(text), 3]} for n, text in enumerate(body["input"])]
    return Sent((json.dumps({"data": data[::-1]}).encode(),), JSON)


async def test_texts_become_unit_vectors_in_their_order(odd: OddUpstream, encoder: Any) -> None:
    odd.sent["far"] = _lengths
    found = await asyncio.to_thread(encoder.encode, ["four", "", "half \ud83d"])
    expected = np.array([[4, 3], [1, 3], [6, 3]])
    np.testing.assert_allclose(
        found, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-6
    )
    assert encoder.dimension == 2
    assert encoder.name == f"far at {odd.base_url}"


async def test_a_table_is_asked_in_parts_and_what_is_known_is_not(
    odd: OddUpstream, encoder: Any
) -> None:
    odd.sent["far"] = _lengths
    # It may be asked how long its vectors are, unless it was before.
    assert await asyncio.to_thread(lambda: encoder.dimension) == 2
    odd.bodies["far"].clear()
    texts = [f"text {number}" for number in range(AT_ONCE + 5)]
    for _ in range(2):
        assert len(await asyncio.to_thread(encoder.encode, texts)) == len(texts)
    assert sorted(len(body["input"]) for body in odd.bodies["far"]) == [5, AT_ONCE]
    assert "truncate_prompt_tokens" not in odd.bodies["far"][0]


@pytest.mark.parametrize(
    "sent",
    [Sent((b"<html>",), "text/html"), Sent((b'{"data": [{"embedding": "AACAPw=="}]}',), JSON)],
)
async def test_what_is_no_vector_is_the_experts_error(
    odd: OddUpstream, encoder: Any, sent: Sent
) -> None:
    odd.sent["far"] = sent
    with pytest.raises(BadOutput) as caught:
        await asyncio.to_thread(encoder.encode, ["never asked before"])
    assert isinstance(caught.value, ExpertError)
    assert caught.value.expert == "vectors"


def test_without_a_service_another_server_is_not_asked(odd: OddUpstream) -> None:
    config = Config.model_validate({"experts": {"vectors": odd.spec("far", task="embed")}})
    with pytest.raises(ConfigError, match="only a running service asks"):
        local_embedder(config)("vectors")
