"""Who may change the service: an administrator's key, or without keys, its own machine."""

from typing import Any

import pytest

from experts.errors import AdminOnly
from orchestrator.config.server_section import ServerConfig
from orchestrator.keys.counters import Counters
from orchestrator.keys.ring import KeyRing
from orchestrator.server.auth import CALLER, Caller, require_admin
from orchestrator.store.memory_store import MemoryStore

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


def _keys(**server: Any) -> KeyRing:
    settings = ServerConfig.model_validate(server)
    return KeyRing(settings, Counters(MemoryStore(), settings.limits))


@pytest.mark.parametrize("address", ["127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1"])
def test_loopback_addresses_are_this_machine(address: str) -> None:
    require_admin(_keys(), {"client": (address, 5)})


@pytest.mark.parametrize("client", [("192.0.2.7", 5), ("::ffff:192.0.2.7", 5), ("socket", 0), None])
def test_without_keys_other_machines_may_not(client: Any) -> None:
    with pytest.raises(AdminOnly, match="from its own machine only"):
        require_admin(_keys(), {"client": client})


def test_with_keys_this_machine_needs_one() -> None:
    keys = _keys(api_keys=KEYS)
    client = keys.named("client")
    assert client is not None
    with pytest.raises(AdminOnly, match="an administrator's API key"):
        require_admin(keys, {"client": ("127.0.0.1", 5), CALLER: Caller(client)})


async def test_only_the_key_that_asked_may_score_its_answer(guarded: Any) -> None:
    body = {"model": "pool/auto", "messages": [{"role": "user", "content": "x"}]}
    headers = {**_as("client"), "x-request-id": "scored-once"}
    answer = await guarded.http.post("/v1/chat/completions", json=body, headers=headers)
    assert answer.status_code == 200
    score = {"request_id": "scored-once", "score": 1}
    for name, status in (("other", 400), ("boss", 400), ("client", 200), ("client", 400)):
        given = await guarded.http.post("/coterie/feedback", json=score, headers=_as(name))
        assert (name, given.status_code) == (name, status)


LOCAL = {"client": ("127.0.0.1", 5)}


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "localhost:8000", "origin": "https://evil.example"},
        {"host": "127.0.0.1:8000", "origin": "null"},
        {"host": "127.0.0.1:8000", "origin": "http://127.0.0.1:9000"},
        {"host": "evil.example:8000", "origin": "http://evil.example:8000"},
        {"host": "evil.example"},
        {"origin": "https://evil.example"},
        {"host": "127.0.0.1.evil.example"},
    ],
)
def test_without_keys_pages_of_others_may_not(headers: dict[str, str]) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    with pytest.raises(AdminOnly, match="pages of another origin"):
        require_admin(_keys(), {**LOCAL, "headers": raw})


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "localhost:8000"},
        {"host": "LOCALHOST"},
        {"host": "[::1]:8000", "origin": "http://[::1]:8000"},
        {"host": "127.0.0.1:8000", "origin": "http://127.0.0.1:8000"},
        {"host": "192.0.2.7"},
        {"host": "pool.localhost:80", "origin": "http://pool.localhost:80"},
    ],
)
def test_without_keys_our_own_pages_and_tools_may(headers: dict[str, str]) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    require_admin(_keys(), {**LOCAL, "headers": raw})


def test_with_keys_it_is_the_key_that_counts() -> None:
    keys = _keys(api_keys=KEYS)
    boss = keys.named("boss")
    assert boss is not None
    foreign = [(b"host", b"pool.example"), (b"origin", b"https://tools.example")]
    require_admin(keys, {"client": ("192.0.2.7", 5), "headers": foreign, CALLER: Caller(boss)})
