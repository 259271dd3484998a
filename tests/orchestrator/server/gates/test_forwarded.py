"""Whose request it is that a proxy hands on."""

from typing import Any

import pytest

from orchestrator.server.gates.forwarded import ForwardedGate

CLIENT = (b"x-forwarded-for", b"203.0.113.7")


async def _served(peer: str, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    """The scope that the application gets."""
    found: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        found.append(scope)

    scope = {"type": "http", "headers": [*headers], "client": (peer, 4711), "scheme": "http"}
    await ForwardedGate(app)(scope, None, None)  # type: ignore[arg-type]
    (seen,) = found
    return seen


async def test_a_proxy_on_this_machine_is_taken_at_its_word() -> None:
    scope = await _served("127.0.0.1", CLIENT, (b"x-forwarded-proto", b"https"))
    assert (scope["client"][0], scope["scheme"]) == ("203.0.113.7", "https")


async def test_another_client_may_claim_what_it_wants() -> None:
    assert (await _served("203.0.113.9", CLIENT))["client"][0] == "203.0.113.9"


async def test_without_a_proxy_a_client_is_who_connects() -> None:
    assert (await _served("127.0.0.1"))["client"] == ("127.0.0.1", 4711)


async def test_other_proxies_are_trusted_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "203.0.113.9")
    assert (await _served("203.0.113.9", CLIENT))["client"][0] == "203.0.113.7"
    assert (await _served("127.0.0.1", CLIENT))["client"][0] == "127.0.0.1"
