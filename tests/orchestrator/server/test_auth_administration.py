"""Who may change the service: an administrator's key, or without keys, its own machine."""

from typing import Any

import pytest

from experts.errors import AdminOnly
from orchestrator.config.model import Config
from orchestrator.server.auth import CALLER, Caller, require_admin

KEYS = {
    "boss": {"key": "sk-boss", "admin": True},
    "client": {"key": "sk-client"},
    "other": {"key": "sk-other"},
}
RELOAD = "/coterie/routers/one/reload"


@pytest.fixture(scope="session")
async def guarded(serve: Any) -> Any:
    """A gateway with an administrator and two clients."""
    return await serve(server={"api_keys": KEYS})


def _as(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer {KEYS[name]['key']}"}


async def test_an_administrators_key_reloads(guarded: Any) -> None:
    answer = await guarded.http.post(RELOAD, headers=_as("boss"))
    assert (answer.status_code, answer.json()["router"]) == (200, "one")


async def test_another_key_does_not(guarded: Any) -> None:
    answer = await guarded.http.post(RELOAD, headers=_as("client"))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (403, "admin_only")
    assert error["type"] == "permission_error"
    assert "admin: true" in error["message"]


async def test_without_keys_this_machine_may(gateway: Any) -> None:
    assert (await gateway.http.post(RELOAD)).status_code == 200


def _config(**server: Any) -> Config:
    remote = {"type": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "m"}
    return Config.model_validate({"experts": {"far": remote}, "server": server})


@pytest.mark.parametrize("address", ["127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1"])
def test_loopback_addresses_are_this_machine(address: str) -> None:
    require_admin(_config(), {"client": (address, 5)})


@pytest.mark.parametrize("client", [("192.0.2.7", 5), ("::ffff:192.0.2.7", 5), ("socket", 0), None])
def test_without_keys_other_machines_may_not(client: Any) -> None:
    with pytest.raises(AdminOnly, match="from its own machine only"):
        require_admin(_config(), {"client": client})


def test_with_keys_this_machine_needs_one() -> None:
    scope = {"client": ("127.0.0.1", 5), CALLER: Caller("client", "interactive", admin=False)}
    with pytest.raises(AdminOnly, match="an administrator's API key"):
        require_admin(_config(api_keys=KEYS), scope)


async def test_only_the_key_that_asked_may_score_its_answer(guarded: Any) -> None:
    body = {"model": "pool/auto", "messages": [{"role": "user", "content": "x"}]}
    headers = {**_as("client"), "x-request-id": "scored-once"}
    answer = await guarded.http.post("/v1/chat/completions", json=body, headers=headers)
    assert answer.status_code == 200
    score = {"request_id": "scored-once", "score": 1}
    for name, status in (("other", 400), ("boss", 400), ("client", 200), ("client", 400)):
        given = await guarded.http.post("/coterie/feedback", json=score, headers=_as(name))
        assert (name, given.status_code) == (name, status)
