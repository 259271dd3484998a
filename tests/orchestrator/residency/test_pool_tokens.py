"""Where slots want a token, every call of ours carries it."""

from typing import Any

import httpx


async def _with_token(make_rig: Any) -> tuple[Any, list[httpx.Request]]:
    """A slot that others could reach, and what it is asked."""
    seen: list[httpx.Request] = []
    rig = await make_rig({"a": 1}, start=False)
    rig.slot.token = "secret"
    answer = rig._answer

    def note(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answer(request)

    rig.client._transport = httpx.MockTransport(note)
    await rig.pool.start()
    return rig, seen


async def test_canary_and_health_checks_carry_the_token(make_rig: Any) -> None:
    rig, seen = await _with_token(make_rig)
    lease = await rig.use("a")
    await rig.pool.suspect(lease)
    assert {request.url.path for request in seen} == {"/e/a/v1/completions", "/e/a/health"}
    assert {request.headers.get("authorization") for request in seen} == {"Bearer secret"}


async def test_a_lease_and_an_experts_url_come_with_it(make_rig: Any) -> None:
    rig, _ = await _with_token(make_rig)
    assert rig.pool.expert_api_key("a") is None
    lease = await rig.use("a")
    assert lease.engine.endpoint.headers()["authorization"] == "Bearer secret"
    assert rig.pool.expert_api_key("a") == "secret"


async def test_on_loopback_there_is_none(make_rig: Any) -> None:
    rig = await make_rig({"a": 1})
    lease = await rig.use("a")
    assert lease.engine.endpoint.api_key is None
    assert rig.pool.expert_api_key("a") is None
