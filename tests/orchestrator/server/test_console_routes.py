"""The console over HTTP: open to every browser, closed to scripts, and no way to anything else."""

from typing import Any

import pytest

from orchestrator.console.assets import SECURITY, load_assets

KEYS = {"alice": {"key": "alice-key-0123456789"}}


@pytest.fixture(scope="session")
async def locked(serve: Any) -> Any:
    """A gateway that asks for keys."""
    return await serve(server={"api_keys": KEYS})


@pytest.mark.parametrize("path", ["/", "/console/app.js", "/console/style.css"])
async def test_the_page_and_its_files_need_no_key(locked: Any, path: str) -> None:
    answer = await locked.http.get(path)
    assert answer.status_code == 200
    assert {name: answer.headers[name] for name in SECURITY} == SECURITY
    assert answer.headers["cache-control"] == "no-cache"
    assert int(answer.headers["content-length"]) == len(answer.content)


async def test_every_file_has_its_kind(gateway: Any) -> None:
    for path, asset in load_assets().items():
        answer = await gateway.http.get(f"/console/{path}")
        assert answer.headers["content-type"] == asset.media_type
        assert answer.content == asset.content


async def test_what_it_asks_the_service_still_needs_one(locked: Any) -> None:
    for path in ("/v1/models", "/coterie/pool", "/coterie/requests/req-1"):
        assert (await locked.http.get(path)).status_code == 401


async def test_a_file_that_the_browser_has_is_not_sent_again(gateway: Any) -> None:
    first = await gateway.http.get("/console/app.js")
    headers = {"if-none-match": first.headers["etag"]}
    again = await gateway.http.get("/console/app.js", headers=headers)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    other = await gateway.http.get("/", headers=headers)
    assert other.status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/console/none.js",
        "/console/../assets.py",
        "/console/%2e%2e/assets.py",
        "/console/..%2fassets.py",
        "/console//etc/passwd",
        "/console/lib",
        "/console",
    ],
)
async def test_no_other_file_is_served(gateway: Any, path: str) -> None:
    answer = await gateway.http.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "unknown_url"


async def test_it_can_only_be_read(gateway: Any) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert (await gateway.http.request(method, "/")).status_code == 405
    head = await gateway.http.head("/")
    assert (head.status_code, head.content) == (200, b"")


async def test_it_can_be_left_out(serve: Any) -> None:
    bare = await serve(server={"console": False})
    for path in ("/", "/console/app.js"):
        assert (await bare.http.get(path)).status_code == 404
    assert "/" not in (await bare.http.get("/openapi.json")).json()["paths"]
