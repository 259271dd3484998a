"""Administrators make, list and revoke keys over HTTP; others cannot, nor by another door."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from orchestrator.server.gates.admin import admin_door, is_admin

KEYS = {"boss": {"key": "sk-boss", "admin": True}, "ann": {"key": "sk-ann"}}
PATH = "/coterie/keys"


@pytest.fixture
async def managed(serve: Any) -> Any:
    return await serve(server={"api_keys": KEYS})


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


BOSS = bearer("sk-boss")


async def test_a_key_is_made_used_and_revoked(managed: Any) -> None:
    terms = {"models": ["tiny"], "requests_per_minute": 5, "class": "batch"}
    made = await managed.http.post(PATH, json={"name": "bob", **terms}, headers=BOSS)
    assert made.status_code == 200
    key = made.json()["key"]
    body = {"model": "tiny", "messages": [{"role": "user", "content": "stream 3"}]}
    answer = await managed.http.post("/v1/chat/completions", json=body, headers=bearer(key))
    assert answer.headers["x-coterie-class"] == "batch"
    assert answer.headers["x-ratelimit-limit-requests"] == "5"
    listed = await managed.http.get(PATH, headers=BOSS)
    assert [one["name"] for one in listed.json()["keys"]] == ["boss", "ann", "bob"]
    assert listed.json()["keys"][2]["terms"] == terms
    assert not any(secret in listed.text for secret in (key, "sk-boss", "sk-ann", "sha256"))
    gone = await managed.http.delete(f"{PATH}/bob", headers=BOSS)
    assert gone.json() == {"name": "bob", "revoked": True}
    assert (await managed.http.get("/v1/models", headers=bearer(key))).status_code == 401


@pytest.mark.parametrize(
    ("method", "path"), [("POST", PATH), ("GET", PATH), ("DELETE", f"{PATH}/ann")]
)
async def test_only_administrators_may(managed: Any, method: str, path: str) -> None:
    answer = await managed.http.request(method, path, headers=bearer("sk-ann"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "admin_only")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 400, "name"),
        ({"name": "a b"}, 400, "name: must consist of"),
        ({"name": "a" * 201}, 400, "name: must have no more than 200 characters"),
        ({"name": "ann"}, 409, "server.api_keys.ann"),
        ({"name": "x", "models": ["no"]}, 400, "models: no model is called `no`"),
        ({"name": "x", "class": "no"}, 400, "no request class `no`"),
        ({"name": "x", "tokens_per_day": -1}, 400, "tokens_per_day: must be greater than"),
        ({"name": "x", "token_per_day": 1}, 400, "token_per_day: unknown key"),
        ({"name": "x", "key": "sk-mine"}, 400, "key: unknown key"),
    ],
)
async def test_what_is_refused(managed: Any, body: Any, status: int, words: str) -> None:
    answer = await managed.http.post(PATH, json=body, headers=BOSS)
    assert answer.status_code == status
    assert words in answer.json()["error"]["message"]
    assert "sk-mine" not in answer.text


async def test_what_cannot_be_revoked(managed: Any) -> None:
    for name, status in (("nobody", 404), ("ann", 409)):
        answer = await managed.http.delete(f"{PATH}/{name}", headers=BOSS)
        assert answer.status_code == status


async def test_the_first_key_shuts_an_open_gateway(serve: Any) -> None:
    gateway = await serve()
    assert "securitySchemes" not in (await gateway.http.get("/openapi.json")).json()["components"]
    made = await gateway.http.post(PATH, json={"name": "boss", "admin": True})
    assert (await gateway.http.get("/v1/models")).status_code == 401
    as_boss = bearer(made.json()["key"])
    assert (await gateway.http.get("/v1/models", headers=as_boss)).status_code == 200
    document = (await gateway.http.get("/openapi.json")).json()
    assert "securitySchemes" in document["components"]
    assert "tiny" not in str(document)
    await gateway.http.delete(f"{PATH}/boss", headers=as_boss)
    assert (await gateway.http.get("/v1/models")).status_code == 401


async def test_a_door_of_their_own(serve: Any) -> None:
    """What changes the service is not found on the public listener, whoever asks."""
    gateway = await serve(server={"api_keys": KEYS, "admin": {"port": 0}})
    for path in (PATH, f"{PATH}/", f"{PATH}/ann", "/coterie/routers/one/reload", "/coterie/drain"):
        for headers in (BOSS, {}):
            answer = await gateway.http.post(path, headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_url")
    assert (await gateway.http.get("/v1/models", headers=BOSS)).status_code == 200


async def test_the_public_document_does_not_tell_of_what_is_behind_the_door(serve: Any) -> None:
    gateway = await serve(server={"api_keys": KEYS, "admin": {"port": 0}})
    public = (await gateway.http.get("/openapi.json")).json()["paths"]
    assert "/v1/models" in public
    assert not any(map(is_admin, public))
    assert PATH not in (await gateway.http.get("/docs")).text
    door = httpx.ASGITransport(admin_door(gateway.app))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=door, base_url="http://admin") as http:
        behind = (await http.get("/openapi.json")).json()["paths"]
    assert set(public) == {path for path in behind if not is_admin(path)} < set(behind)


async def test_whatever_needs_an_administrator_is_behind_the_door(managed: Any) -> None:
    document = (await managed.http.get("/openapi.json")).json()
    for path, item in document["paths"].items():
        for method in item:
            url = path.replace("{name}", "one")
            # A stream that never ends is nothing to read.
            asked = managed.http.stream(method, url, headers=bearer("sk-ann"))
            async with asked as answer:
                told = answer.headers["content-type"] == "application/json"
                needs = told and b"admin_only" in await answer.aread()
            assert needs == is_admin(url), (method, path)


async def test_the_door_leads_to_the_same_application() -> None:
    seen: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    await admin_door(application)({"type": "http"}, None, None)  # type: ignore[arg-type]
    assert len(seen) == 1
