"""The canary hears whether an engine that came back is the one that left."""

import json
from typing import Any

import httpx
import pytest

from orchestrator.residency.canary import Canary, alike


def _canary(answer: Any, asked: list[httpx.Request]) -> Canary:
    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=answer)

    client = httpx.AsyncClient(transport=httpx.MockTransport(handle))
    return Canary(client, tokens=4, timeout_s=1.0)


async def test_an_embedder_is_asked_for_an_embedding() -> None:
    asked: list[httpx.Request] = []
    canary = _canary({"data": [{"embedding": [0.6, 0.8]}]}, asked)
    assert await canary.embed("http://slot/e/v", "v", {}) == (0.6, 0.8)
    assert asked[0].url.path == "/e/v/v1/embeddings"
    assert json.loads(asked[0].content)["model"] == "v"


@pytest.mark.parametrize("answer", [{}, {"data": []}, {"data": [{"embedding": None}]}, []])
async def test_an_embedder_that_gives_none_is_not_well(answer: Any) -> None:
    with pytest.raises(RuntimeError, match="first prompt"):
        await _canary(answer, []).embed("http://slot/e/v", "v", {})


@pytest.mark.parametrize(
    ("first", "again", "same"),
    [
        ("song", "song", True),
        ("song", "sang", False),
        ((1.0, 0.0), (1.0, 1e-3), True),
        ((1.0, 0.0), (0.9, 0.4), False),
        ((1.0, 0.0), (1.0, 0.0, 0.0), False),
        ((1.0,), "song", False),
    ],
)
def test_texts_must_be_equal_and_vectors_point_the_same_way(
    first: Any, again: Any, same: bool
) -> None:
    assert alike(first, again) is same
