"""Kept answers over HTTP: hit, miss, whose they are, what is told, and who opts out."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from typing import Any

import pytest

CUT = {"choices": [{"index": 0, "message": {"content": "n"}, "finish_reason": "content_filter"}]}
CALL = {"index": 0, "id": "call_1", "function": {"name": "look", "arguments": '{"at": "it"}'}}
CALLING = {"id": "c", "choices": [{"index": 0, "delta": {"tool_calls": [CALL]}}]}


def outcomes(*answers: Any) -> list[tuple[int, str | None]]:
    return [(one.status_code, one.headers.get("x-coterie-cache")) for one in answers]


MISSES, HIT = [(200, "miss"), (200, "miss")], [(200, "miss"), (200, "hit")]
UNSEEN = [(200, None), (200, None)]


async def test_an_equal_request_gets_the_same_answer(cached: Any, ask: Any, upstream: Any) -> None:
    first, second = await ask(cached, "say equal"), await ask(cached, "say equal", user="ann")
    assert outcomes(first, second) == HIT
    assert first.json()["choices"] == second.json()["choices"]
    assert upstream.asked["say equal"] == 1
    assert second.headers["age"] == "0"
    assert second.headers["x-coterie-expert"] == "tiny"
    assert [one.json()["coterie"]["cache"] for one in (first, second)] == ["miss", "hit"]
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


@pytest.mark.parametrize("temperature", [0.7, None])
async def test_what_is_not_repeatable_is_asked_each_time(
    cached: Any, ask: Any, upstream: Any, temperature: float | None
) -> None:
    script = f"say again {temperature}"
    answers = [await ask(cached, script, temperature=temperature) for _ in "12"]
    assert outcomes(*answers) == UNSEEN
    assert upstream.asked[script] == 2


async def test_a_seed_is_enough(cached: Any, ask: Any) -> None:
    answers = [await ask(cached, "say seeded", temperature=0.7, seed=1) for _ in "12"]
    assert outcomes(*answers) == HIT
    assert outcomes(await ask(cached, "say seeded", temperature=0.7, seed=2)) == [(200, "miss")]


@pytest.mark.parametrize(
    ("headers", "fields", "wanted"),
    [
        ({"cache-control": "no-store"}, {}, UNSEEN),
        ({"cache-control": "max-age=0, No-Store"}, {}, UNSEEN),
        ({}, {"coterie": {"cache": False}}, UNSEEN),
        ({"cache-control": "no-cache"}, {"coterie": {"cache": False}}, UNSEEN),
        ({"cache-control": "no-cache"}, {}, MISSES),
    ],
)
async def test_who_opts_out(
    cached: Any, ask: Any, upstream: Any, headers: Any, fields: Any, wanted: Any
) -> None:
    script = f"say not me {headers} {fields}"
    answers = [await ask(cached, script, headers=headers, **fields) for _ in "12"]
    assert outcomes(*answers) == wanted
    assert upstream.asked[script] == 2
    kept = "hit" if wanted is MISSES else "miss"
    assert outcomes(await ask(cached, script)) == [(200, kept)]


async def test_without_a_cache_nothing_is_told_of_it(gateway: Any, ask: Any, upstream: Any) -> None:
    answers = [await ask(gateway, "say uncached") for _ in "12"]
    assert outcomes(*answers) == UNSEEN
    assert upstream.asked["say uncached"] == 2


async def test_each_key_has_its_own(serve: Any, ask: Any, upstream: Any) -> None:
    keys = {"ann": {"key": "sk-ann"}, "bob": {"key": "sk-bob"}}
    gateway = await serve(server={"cache": {}, "api_keys": keys})
    found = []
    for name in ("ann", "bob", "ann", "bob"):
        headers = {"authorization": f"Bearer sk-{name}"}
        found.append(await ask(gateway, "say secret", headers=headers))
    assert outcomes(*found) == MISSES + [(200, "hit")] * 2
    assert upstream.asked["say secret"] == 2


async def test_a_hit_costs_its_key_a_request_and_no_tokens(serve: Any, ask: Any) -> None:
    limits = {"requests_per_minute": 50, "tokens_per_minute": 10_000}
    gateway = await serve(server={"cache": {}, "api_keys": {"ann": {"key": "sk-ann", **limits}}})
    gateway.counters.clock = lambda: 1_800_000_000.0
    gateway.http.headers["authorization"] = "Bearer sk-ann"

    async def left() -> tuple[int, int]:
        await gateway.settled()
        headers = (await gateway.http.get("/v1/models")).headers
        requests, tokens = (headers[f"x-ratelimit-remaining-{k}"] for k in ("requests", "tokens"))
        return int(requests), int(tokens)

    assert outcomes(await ask(gateway, "say costs")) == [(200, "miss")]
    after_miss = await left()
    assert outcomes(await ask(gateway, "say costs")) == [(200, "hit")]
    assert await left() == (after_miss[0] - 1, after_miss[1])
    assert after_miss[1] < 10_000


async def test_an_answer_gets_too_old(
    cached: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ask(cached, "say old")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 60)
    answer = await ask(cached, "say old")
    assert outcomes(answer) == [(200, "hit")]
    assert 60 <= int(answer.headers["age"]) <= 70
    monkeypatch.setattr(time, "time", lambda: now + 3700)
    assert outcomes(await ask(cached, "say old")) == [(200, "miss")]


@pytest.mark.parametrize(
    ("script", "fields"),
    [
        ("refuse plain", {}),
        ("refuse coded", {}),
        (f"event {json.dumps(CUT)}", {}),
        ("cut-error", {"stream": True}),
        ("unfinished", {"stream": True, "seed": 3}),
    ],
)
async def test_what_went_wrong_is_asked_again(
    cached: Any, ask: Any, upstream: Any, script: str, fields: Any
) -> None:
    before = upstream.asked[script]
    answers = [await ask(cached, script, **fields) for _ in "12"]
    assert "hit" not in [told for _, told in outcomes(*answers)]
    assert upstream.asked[script] == before + 2


async def test_an_answer_that_is_too_large_is_given_and_not_kept(serve: Any, ask: Any) -> None:
    gateway = await serve(server={"cache": {"max_entry_mb": 0.001}})
    large = "say " + "x" * 2000
    assert outcomes(*[await ask(gateway, large) for _ in "12"]) == MISSES
    assert outcomes(*[await ask(gateway, "say x") for _ in "12"]) == HIT


async def streamed(gateway: Any, script: str, **more: Any) -> tuple[str, list[Any], str | None]:
    """The content, the calls, and the outcome, as the real client reads them."""
    raw = await gateway.openai.chat.completions.with_raw_response.create(
        model="tiny",
        messages=[{"role": "user", "content": script}],
        temperature=0,
        stream=True,
        **more,
    )
    content, calls = "", []
    async for chunk in raw.parse():
        for choice in chunk.choices:
            content += choice.delta.content or ""
            calls += [one.model_dump() for one in choice.delta.tool_calls or ()]
    return content, calls, raw.headers.get("x-coterie-cache")


async def test_a_stream_is_given_again_as_it_was(cached: Any, upstream: Any) -> None:
    first, second = [await streamed(cached, "stream 5") for _ in "12"]
    assert first == ("wörd0 wörd1 wörd2 wörd3 wörd4 ", [], "miss")
    assert second == (*first[:2], "hit")
    assert upstream.asked["stream 5"] == 1
    assert (await streamed(cached, "stream 5", seed=1))[2] == "miss"


async def test_calls_of_tools_are_given_again(cached: Any) -> None:
    script = f"event {json.dumps(CALLING)}"
    first, second = [await streamed(cached, script) for _ in "12"]
    assert first[1][0]["function"] == {"name": "look", "arguments": '{"at": "it"}'}
    assert second == (*first[:2], "hit")


async def test_agents_protocols_have_the_same_answers(cached: Any, upstream: Any) -> None:
    asked = {"model": "tiny", "input": "say agents", "temperature": 0}
    first, second = [await cached.http.post("/v1/responses", json=asked) for _ in "12"]
    assert outcomes(first, second) == HIT
    assert second.json()["output"][0]["content"][0]["text"] == "agents"
    assert second.json()["coterie"]["cache"] == "hit"
    assert first.json()["id"] != second.json()["id"]
    told = {"role": "user", "content": "say agents"}
    message = {"model": "tiny", "max_tokens": 9, "messages": [told], "temperature": 0}
    found = [await cached.http.post("/v1/messages", json=message) for _ in "12"]
    assert outcomes(*found) == HIT
    assert found[1].json()["content"][0]["text"] == "agents"
    assert upstream.asked["say agents"] == 2


async def test_a_decision_is_explained_as_it_was(cached: Any, ask: Any) -> None:
    first, second = [await ask(cached, "say why", model="pool/auto") for _ in "12"]
    third = await ask(cached, "say why", model="pool/auto", coterie={"explain": True})
    assert outcomes(first, second, third) == [*HIT, (200, "hit")]
    assert second.headers["x-coterie-router"] == first.headers["x-coterie-router"]
    assert "scores" not in second.json()["coterie"]
    assert third.json()["coterie"]["scores"] == {"tiny": 1.0}
    assert third.json()["coterie"]["reason"]


async def test_a_hit_can_be_scored_and_asked_about(cached: Any, ask: Any) -> None:
    await ask(cached, "say scored", model="pool/auto")
    hit = await ask(cached, "say scored", model="pool/auto")
    request_id = hit.headers["x-request-id"]
    await cached.settled()
    record = (await cached.http.get(f"/coterie/requests/{request_id}")).json()
    assert (record["cache"], record["expert"], record["calls"]) == ("hit", "tiny", [])
    score = {"request_id": request_id, "score": 1}
    given = await cached.http.post("/coterie/feedback", json=score)
    assert given.json()["expert"] == "tiny"


async def test_what_learns_is_never_kept(serve: Any, ask: Any) -> None:
    learning = {"pool/learns": {"router": "one", "learning": {}}}
    gateway = await serve(server={"cache": {}}, compositions=learning)
    found = [await ask(gateway, "say learn", model="pool/learns") for _ in "12"]
    assert outcomes(*found) == UNSEEN


async def test_a_router_that_is_read_anew_has_answers_of_its_own(
    serve: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await serve(server={"cache": {}})
    known = gateway.context.answers.versions
    found = [await ask(gateway, "say anew", model="pool/auto") for _ in "12"]
    changed = replace(known, pool="its table has changed")
    monkeypatch.setattr("orchestrator.server.service_routes.versions_of", lambda config: changed)
    await gateway.http.post("/coterie/routers/one/reload")
    found += [await ask(gateway, "say anew", model="pool/auto") for _ in "12"]
    assert outcomes(*found) == HIT + HIT


async def test_embeddings_are_kept(cached: Any) -> None:
    asked = {"model": "coterie/embed", "input": "a text of its own"}
    first, second = [await cached.http.post("/v1/embeddings", json=asked) for _ in "12"]
    assert outcomes(first, second) == HIT
    assert first.json()["data"] == second.json()["data"]


async def test_a_hostile_body_breaks_no_digest(cached: Any, ask: Any) -> None:
    many = [{"role": "user", "content": "say many"}] * 10_000
    found = [await ask(cached, "", messages=many) for _ in "12"]
    assert outcomes(*found) == HIT
    chat = {"model": "tiny", "messages": [{"role": "user", "content": "say ten"}]}
    raw = json.dumps({**chat, "temperature": math.nan}).encode()
    headers = {"content-type": "application/json"}
    answer = await cached.http.post("/v1/chat/completions", content=raw, headers=headers)
    assert answer.status_code == 400


async def test_what_is_counted(serve: Any, ask: Any) -> None:
    gateway = await serve(server={"cache": {}})
    for script in ("say a", "say a", "say b"):
        await ask(gateway, script)
    page = (await gateway.http.get("/metrics")).text
    told = dict(line.split(" ") for line in page.splitlines() if line.startswith("coterie_c"))
    counted = {name: float(told[f"coterie_cache_{name}_total"]) for name in ("hits", "misses")}
    assert counted == {"hits": 1, "misses": 2}
    assert float(told["coterie_cache_stored_total"]) == 2
    assert float(told["coterie_cache_bytes"]) > 500
    assert "coterie_coalesced_total 0.0" in page
    calls = [line for line in page.splitlines() if line.startswith("coterie_calls_total{")]
    assert [line.rpartition(" ")[2] for line in calls] == ["2.0"]
