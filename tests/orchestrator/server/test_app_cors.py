"""Pages of other origins: none by default, and those of the configuration, before keys."""

from typing import Any

import pytest

from experts.errors import ConfigError
from orchestrator.config.model import load_config
from orchestrator.config.server_section import CorsConfig

PAGE = "https://chat.example.com"
KEYS = {"alice": {"key": "alice-key-0123456789"}}
ASKS = {
    "origin": PAGE,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,x-stainless-lang",
}
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="session")
async def open_to_page(serve: Any) -> Any:
    """A gateway with a key that one page may call."""
    return await serve(server={"api_keys": KEYS, "cors": {"origins": [PAGE]}})


async def test_by_default_no_page_is_permitted(gateway: Any) -> None:
    asked = await gateway.http.options(CHAT, headers=ASKS)
    answer = await gateway.http.get("/v1/models", headers={"origin": PAGE})
    assert asked.status_code == 405
    assert answer.status_code == 200
    for one in (asked, answer):
        assert not [name for name in one.headers if name.startswith("access-control-")]


async def test_a_page_is_permitted_before_a_key_is_asked_for(open_to_page: Any) -> None:
    asked = await open_to_page.http.options(CHAT, headers=ASKS)
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == PAGE
    assert "POST" in asked.headers["access-control-allow-methods"]
    assert "x-stainless-lang" in asked.headers["access-control-allow-headers"]
    assert asked.headers["access-control-max-age"] == "600"


async def test_another_page_is_not(open_to_page: Any) -> None:
    for origin in ("https://evil.example.com", f"{PAGE}.evil.com", "null", PAGE.upper()):
        headers = {**ASKS, "origin": origin}
        asked = await open_to_page.http.options(CHAT, headers=headers)
        assert asked.status_code == 400
        assert "access-control-allow-origin" not in asked.headers


@pytest.mark.parametrize("key", ["alice-key-0123456789", "wrong"])
async def test_a_page_reads_answers_and_refusals_with_their_headers(
    open_to_page: Any, key: str
) -> None:
    headers = {"origin": PAGE, "authorization": f"Bearer {key}"}
    body = {"model": "tiny", "messages": [{"role": "user", "content": "x"}]}
    answer = await open_to_page.http.post(CHAT, json=body, headers=headers)
    assert answer.status_code == (401 if key == "wrong" else 200)
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-expose-headers"] == "*"


async def test_a_page_reads_a_fault_of_ours(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = await serve(server={"cors": {"origins": ["*"]}})

    def fail() -> Any:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(gateway.pipeline.feedback, "weights", fail)
    answer = await gateway.http.get("/coterie/learned", headers={"origin": PAGE})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (500, "*")


@pytest.mark.parametrize(
    "origin",
    ["*", PAGE, "http://localhost:3000", "http://[::1]:8080", "http://127.0.0.1", "app://page"],
)
def test_origins_are_taken(origin: str) -> None:
    assert CorsConfig(origins=[origin]).origins == [origin]


@pytest.mark.parametrize(
    "origin",
    [f"{PAGE}/", f"{PAGE}/page", "chat.example.com", "https://", "https://*.a.com", "", "null"],
)
def test_what_no_browser_sends_as_an_origin_is_refused(tmp_path: Any, origin: str) -> None:
    file = tmp_path / "pool.yaml"
    file.write_text(
        "experts:\n  a: {type: openai, base_url: 'http://127.0.0.1/v1', model: m}\n"
        f"server: {{cors: {{origins: ['{origin}']}}}}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert "without a path" in caught.value.problems[0]
    assert caught.value.problems[0].startswith("server.cors.origins: ")


async def test_options_tells_the_methods_without_a_key(open_to_page: Any) -> None:
    asked = await open_to_page.http.options(CHAT)
    assert (asked.status_code, asked.headers["allow"]) == (405, "POST")
