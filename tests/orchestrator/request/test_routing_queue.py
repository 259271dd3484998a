"""Routing many requests at once: batches, order, errors and waiters that leave."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from experts.errors import RoutingError
from experts.types import Request
from orchestrator.request.routing_queue import MAX_BATCH, RoutingQueue
from routers.base import Decision

PATIENCE_S = 10.0
EXPERTS = [
    f"for-{name}" for name in ("first", "a", "b", "c", "later", "next", *range(MAX_BATCH + 1))
]


class ScriptedRouter:
    """Waits in its thread until it may go on; remembers its batches."""

    name = "scripted"

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.errors: list[Exception] = []
        self.may_go_on = threading.Event()
        self.called = threading.Event()

    def route(self, requests: Sequence[Request]) -> list[Decision]:
        self.batches.append([request.id for request in requests])
        self.called.set()
        assert self.may_go_on.wait(PATIENCE_S)
        if self.errors:
            raise self.errors.pop(0)
        return [Decision(self.name, ((f"for-{request.id}", 1.0),), "") for request in requests]


def _request(name: str) -> Request:
    return Request(name, "chat/completions", {})


@pytest.fixture
def router() -> ScriptedRouter:
    return ScriptedRouter()


async def _route_while_busy(
    router: ScriptedRouter, queue: RoutingQueue, names: Sequence[str]
) -> list[asyncio.Task[Decision]]:
    """One request that occupies the router, and the named ones that wait meanwhile."""
    tasks = [asyncio.create_task(queue.route(_request("first")))]
    await asyncio.to_thread(router.called.wait, PATIENCE_S)
    tasks += [asyncio.create_task(queue.route(_request(name))) for name in names]
    await asyncio.sleep(0)
    return tasks


async def test_every_request_gets_its_own_decision(router: ScriptedRouter) -> None:
    router.may_go_on.set()
    queue = RoutingQueue(router, EXPERTS)
    decisions = await asyncio.gather(*(queue.route(_request(str(n))) for n in range(7)))
    assert [d.scores[0][0] for d in decisions] == [f"for-{n}" for n in range(7)]


async def test_what_waits_while_the_router_works_is_the_next_batch(router: ScriptedRouter) -> None:
    tasks = await _route_while_busy(router, RoutingQueue(router, EXPERTS), ["a", "b", "c"])
    router.may_go_on.set()
    await asyncio.gather(*tasks)
    assert router.batches == [["first"], ["a", "b", "c"]]


async def test_a_batch_is_bounded(router: ScriptedRouter) -> None:
    names = [str(n) for n in range(MAX_BATCH + 1)]
    tasks = await _route_while_busy(router, RoutingQueue(router, EXPERTS), names)
    router.may_go_on.set()
    await asyncio.gather(*tasks)
    assert [len(batch) for batch in router.batches] == [1, MAX_BATCH, 1]


async def test_an_error_reaches_every_waiter_of_its_batch_and_nobody_else(
    router: ScriptedRouter,
) -> None:
    queue = RoutingQueue(router, EXPERTS)
    tasks = await _route_while_busy(router, queue, ["a", "b"])
    router.errors = [RoutingError("first"), RoutingError("second")]
    router.may_go_on.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["first", "second", "second"]
    assert (await queue.route(_request("later"))).scores[0][0] == "for-later"


async def test_a_waiter_that_leaves_does_no_harm(router: ScriptedRouter) -> None:
    first, leaves, stays = await _route_while_busy(
        router, RoutingQueue(router, EXPERTS), ["a", "b"]
    )
    leaves.cancel()
    router.may_go_on.set()
    assert (await stays).scores[0][0] == "for-b"
    await first
    with pytest.raises(asyncio.CancelledError):
        await leaves


async def test_a_waiter_that_leaves_during_its_own_batch_does_no_harm(
    router: ScriptedRouter,
) -> None:
    queue = RoutingQueue(router, EXPERTS)
    (first,) = await _route_while_busy(router, queue, [])
    first.cancel()
    router.may_go_on.set()
    assert (await queue.route(_request("next"))).scores[0][0] == "for-next"


async def test_a_fault_of_a_router_is_a_routing_error_and_is_logged(
    router: ScriptedRouter, caplog: pytest.LogCaptureFixture
) -> None:
    router.errors = [ValueError("oops")]
    router.may_go_on.set()
    with pytest.raises(RoutingError, match=r"Router scripted failed \(ValueError\)"):
        await RoutingQueue(router, EXPERTS).route(_request("a"))
    assert "Traceback" in caplog.text
    assert "oops" in caplog.text


GOOD = Decision("wrong", (("for-a", 1.0),), "")


@pytest.mark.parametrize(
    ("decisions", "mistake"),
    [
        ([], "returned 0 decisions for 1 requests"),
        ([GOOD, GOOD], "returned 2 decisions for 1 requests"),
        (["for-a"], "returned a str as a decision"),
        ([Decision("wrong", (("nobody", 1.0),), "")], "chose 'nobody', which is not an expert"),
    ],
)
async def test_a_router_that_breaks_its_protocol_leaves_nobody_waiting(
    decisions: list[Any], mistake: str
) -> None:
    class Wrong:
        name = "wrong"

        def route(self, requests: Sequence[Request]) -> list[Decision]:
            return decisions

    queue = RoutingQueue(Wrong(), EXPERTS)
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(RoutingError, match=mistake):
            await queue.route(_request("a"))
