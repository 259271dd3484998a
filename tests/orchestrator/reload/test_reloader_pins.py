"""Administrators load an expert, and keep it in its slot, without a line in the file."""

from typing import Any

from reloading_service import Reloading, hosted

THREE = {name: hosted(f"org/{name}", memory_gb=2) for name in ("a", "b", "c")}


async def _pool(served: Reloading) -> Any:
    return (await served.http.get("/coterie/pool")).json()


async def _call(served: Reloading, method: str, path: str) -> tuple[int, Any]:
    answer = await served.http.request(method, f"/coterie/experts/{path}")
    return answer.status_code, answer.json()


async def test_an_expert_is_loaded_when_it_is_asked_for_and_then_it_is_there(
    served: Reloading,
) -> None:
    await served.reloaded(experts={**THREE, "d": hosted("org/d", memory_gb=15)})
    assert (await _call(served, "POST", "d/load"))[1]["slot"] == "slot-0"
    assert (await _pool(served))["slots"][0]["residents"] == ["d"]
    status, told = await _call(served, "POST", "d/load")
    assert (status, told["load_ms"]) == (200, 0)
    assert served.slot.loads.count("d") == 1


async def test_what_is_pinned_is_shown_and_does_not_leave_until_it_may(served: Reloading) -> None:
    large = hosted("org/large", memory_gb=15.5)
    await served.reloaded(experts={"a": hosted("org/a"), "large": large})
    status, told = await _call(served, "POST", "a/pin")
    assert (status, told["pinned"]) == (200, True)
    pool = await _pool(served)
    assert (pool["loads"]["a"]["pinned"], pool["loads"]["large"]["pinned"]) == (True, False)
    assert pool["slots"][0]["residents"] == ["a"]
    status, told = await _call(served, "POST", "large/load")
    assert status == 503
    assert "more than any slot has left" in told["error"]["message"]

    status, told = await _call(served, "DELETE", "a/pin")
    assert (status, told["pinned"], told["generation"]) == (200, False, 4)
    assert (await _call(served, "POST", "large/load"))[0] == 200
    assert (await _pool(served))["slots"][0]["residents"] == ["large"]


async def test_more_than_fits_cannot_be_pinned(served: Reloading) -> None:
    nine = {name: hosted(f"org/{name}", memory_gb=9) for name in ("a", "b")}
    await served.reloaded(experts=nine)
    assert (await _call(served, "POST", "a/pin"))[0] == 200
    status, told = await _call(served, "POST", "b/pin")
    assert status == 400
    assert "cannot all stay" in told["error"]["message"]
    assert not (await _pool(served))["loads"]["b"]["pinned"]


async def test_what_cannot_be_loaded_keeps_no_room(served: Reloading) -> None:
    later = hosted("org/later", memory_gb=15)
    await served.reloaded(experts={"a": hosted("org/a", pin=True), "later": later})
    served.slot.load_errors["later"] += [RuntimeError("its weights are broken")] * 2
    await served.reloaded(experts={"a": hosted("org/a", memory_gb=2), "later": later})
    status, told = await _call(served, "POST", "later/pin")
    assert status == 503
    assert "broken" in told["error"]["message"]
    assert not (await _pool(served))["loads"]["later"]["pinned"]


async def test_the_next_reload_of_the_file_takes_a_pin_back(served: Reloading) -> None:
    await _call(served, "POST", "a/pin")
    told = (await served.reload()).json()
    assert told["difference"] == ["expert a: pin true -> false"]
    assert not (await _pool(served))["loads"]["a"]["pinned"]


async def test_a_pin_outlives_an_expert_that_is_added(served: Reloading) -> None:
    await _call(served, "POST", "a/pin")
    body = {"name": "new", **hosted("org/new")}
    assert (await served.http.post("/coterie/experts", json=body)).status_code == 200
    assert (await _pool(served))["loads"]["a"]["pinned"]


async def test_only_experts_of_ours_with_weights_of_their_own_are_pinned(
    served: Reloading, upstream: Any
) -> None:
    remote = {"type": "openai", "base_url": upstream.base_url, "model": "m"}
    adapter = {"type": "vllm", "model": "org/lora", "adapter_of": "a"}
    await served.reloaded(experts={"a": hosted("org/a"), "far": remote, "lora": adapter})
    for path, status, words in (
        ("far/pin", 400, "another server"),
        ("far/load", 400, "another server"),
        ("lora/pin", 400, "Pin a."),
        ("none/load", 404, "no expert"),
    ):
        got, told = await _call(served, "POST", path)
        assert got == status, told
        assert words in told["error"]["message"]


async def test_none_of_it_is_for_keys_that_may_not_change_the_service(served: Reloading) -> None:
    keys = {"user": {"key": "secret-user-0123456789"}}
    await served.reloaded(experts={"a": hosted("org/a")}, server={"port": 0, "api_keys": keys})
    headers = {"authorization": "Bearer secret-user-0123456789"}
    for method, path in (("POST", "a/load"), ("POST", "a/pin"), ("DELETE", "a/pin")):
        url = f"/coterie/experts/{path}"
        assert (await served.http.request(method, url, headers=headers)).status_code == 403
    url, body = "/coterie/experts/check", {"yaml": "b: {type: vllm}"}
    assert (await served.http.post(url, json=body, headers=headers)).status_code == 403
