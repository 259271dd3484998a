"""What the pool hears of a panel while it answers: its lead is coming, until it is not."""

import asyncio
from typing import Any

import pytest

from routers.base import Decision

HOSTED = {"type": "vllm", "model": "org/hosted", "memory_gb": 3}
NAMES = ("one", "two")


class Both:
    """The experts in their order."""

    name = "one"

    def route(self, requests: Any) -> list[Decision]:
        scores = tuple(zip(NAMES, (0.9, 0.4), strict=True))
        return [Decision("one", scores, "In order.", panel=NAMES) for _ in requests]


@pytest.fixture
async def led(serve: Any, upstream: Any) -> Any:
    """Two experts of somebody else's, and a lead that a slot of ours would load."""
    experts = {
        name: {"type": "openai", "base_url": upstream.base_url, "model": name} for name in NAMES
    }
    return await serve(
        {**experts, "lead": HOSTED},
        routers={"one": Both()},
        **{
            "compositions": {
                "pool/merge": {
                    "router": "one",
                    "aggregator": {"type": "synthesize", "expert": "lead"},
                },
            },
            "slots": {"preload": False, "canary_tokens": 0, "memory_gb": 4},
        },
    )


def expected(gateway: Any) -> int:
    return int(gateway.pool.snapshot()["loads"]["lead"]["expected"])


def loads(gateway: Any) -> int:
    return int(gateway.pool.snapshot()["loads"]["lead"]["count"])


async def test_the_lead_is_there_when_the_panel_has_answered(led: Any, upstream: Any) -> None:
    asking = asyncio.create_task(led.chat("one: hold ahead\ntwo: say no", "pool/merge"))
    await led.slots[0].saw("load lead")
    assert expected(led) == 1
    upstream.release("ahead")
    assert (await asking).status_code == 200
    assert (expected(led), loads(led)) == (0, 1)


async def test_where_all_agree_the_lead_is_expected_no_more(led: Any) -> None:
    answer = await led.chat("one: say yes\ntwo: say yes", "pool/merge")
    assert answer.status_code == 200
    assert expected(led) == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_takes_its_announcement_along(led: Any, stream: bool) -> None:
    script = "one: silent never\ntwo: silent never"
    asking = asyncio.create_task(led.chat(script, "pool/merge", stream=stream))
    await led.slots[0].saw("load lead")
    assert expected(led) == 1
    asking.cancel()
    await asyncio.wait([asking])
    await led.settled()
    assert expected(led) == 0


async def test_a_panel_that_fails_expects_nobody(led: Any) -> None:
    answer = await led.chat("one: refuse broken\ntwo: drop", "pool/merge")
    assert answer.status_code >= 500
    assert expected(led) == 0
