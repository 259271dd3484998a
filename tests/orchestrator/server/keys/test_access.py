"""Keys that may ask some models only: the others do not exist for them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.config.keys.section import matches

KEYS = {
    "all": {"key": "sk-all"},
    "pool": {"key": "sk-pool", "models": ["pool/*"]},
    "tiny": {"key": "sk-tiny", "models": ["tiny", "coterie/*"]},
    "auto": {"key": "sk-auto", "models": ["pool/auto"]},
}


@pytest.fixture(scope="session")
async def shared(serve: Any, upstream: Any) -> Any:
    other = {"type": "openai", "base_url": upstream.base_url, "model": "other-model"}
    return await serve({"secret": other}, server={"api_keys": KEYS})


def bearer(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer sk-{name}"}


@pytest.mark.parametrize(
    ("name", "models"),
    [
        ("all", ["pool/auto", "tiny", "secret", "coterie/embed"]),
        ("pool", ["pool/auto"]),
        ("tiny", ["tiny", "coterie/embed"]),
    ],
)
async def test_a_key_sees_its_models(shared: Any, name: str, models: list[str]) -> None:
    listed = (await shared.http.get("/v1/models", headers=bearer(name))).json()["data"]
    assert {card["id"] for card in listed} == set(models)
    for card in ("pool/auto", "tiny", "secret"):
        one = await shared.http.get(f"/v1/models/{card}", headers=bearer(name))
        assert one.status_code == (200 if card in models else 404)


async def asked(shared: Any, name: str, model: str, **body: Any) -> httpx.Response:
    question = {"model": model, "messages": [{"role": "user", "content": "stream 3"}], **body}
    answer: httpx.Response = await shared.http.post(
        "/v1/chat/completions", json=question, headers=bearer(name)
    )
    return answer


@pytest.mark.parametrize(
    ("name", "model", "status"),
    [
        ("tiny", "tiny", 200),
        ("tiny", "secret", 404),
        ("tiny", "pool/auto", 404),
        ("pool", "pool/auto", 200),
        ("pool", "pool/one", 200),
        ("pool", "tiny", 404),
        ("auto", "pool/one", 404),
        ("all", "secret", 200),
    ],
)
async def test_a_key_asks_its_models(shared: Any, name: str, model: str, status: int) -> None:
    assert (await asked(shared, name, model)).status_code == status


async def test_what_may_not_be_asked_is_told_as_what_is_not_there(shared: Any) -> None:
    hidden, absent = [await asked(shared, "pool", model) for model in ("secret", "absent")]
    assert hidden.json()["error"]["code"] == "model_not_found"
    assert hidden.text.replace("secret", "absent") == absent.text
    made_up = await asked(shared, "pool", "pool/one+nothing")
    on_its_path = await shared.http.post("/e/nothing/v1/completions", headers=bearer("pool"))
    for answer in (hidden, absent, made_up, on_its_path):
        assert answer.status_code == 404
        assert "tiny" not in answer.text


@pytest.mark.parametrize("path", ["/v1/completions", "/tokenize", "/v1/models", "/health"])
async def test_the_path_of_another_expert_does_not_exist(shared: Any, path: str) -> None:
    method = "GET" if path in ("/v1/models", "/health") else "POST"
    body = {"prompt": "x"} if method == "POST" else None
    for name, status in (("tiny", 404), ("all", 200)):
        url = f"/e/secret{path}"
        answer = await shared.http.request(method, url, json=body, headers=bearer(name))
        assert answer.status_code == status


@pytest.mark.parametrize(
    "extension",
    [{"router": "one"}, {"aggregator": "vote", "experts": ["secret", "tiny"]}],
)
async def test_no_option_leads_to_another_model(shared: Any, extension: Any) -> None:
    for name, status in (("auto", 404), ("all", 200)):
        answer = await asked(shared, name, "pool/auto", coterie=extension)
        assert answer.status_code == status


async def test_pages_that_show_all_models_are_for_those_who_may_ask_them(shared: Any) -> None:
    for path in ("/coterie/pool", "/coterie/learned"):
        for name, status in (("pool", 403), ("all", 200)):
            answer = await shared.http.get(path, headers=bearer(name))
            assert answer.status_code == status


@given(st.text("ab/*.", max_size=6), st.text("ab/.", max_size=6))
def test_a_star_stands_for_any_letters(pattern: str, name: str) -> None:
    def fits(pattern: str, name: str) -> bool:
        if not pattern:
            return not name
        if pattern[0] == "*":
            return fits(pattern[1:], name) or (name != "" and fits(pattern, name[1:]))
        return name[:1] == pattern[0] and fits(pattern[1:], name[1:])

    assert matches(name, [pattern]) == fits(pattern, name)
