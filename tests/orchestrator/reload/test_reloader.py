"""A running service takes over what its file says, or goes on as it was."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from reloading_service import Reloading, hosted
from scripted_slot import PATIENCE_S

from experts.errors import ReloadRefused

A, B = hosted("org/a"), hosted("org/b")
FIXED = {"type": "static", "expert": "a"}
AUTO = {"routers": {"fixed": FIXED}, "compositions": {"pool/auto": {"router": "fixed"}}}


async def models(served: Reloading) -> list[str]:
    return [model.id for model in (await served.openai.models.list()).data]


async def test_what_the_file_says_now_is_served(served: Reloading) -> None:
    told = await served.reloaded(experts={"a": A, "b": hosted("org/other"), "c": B}, **AUTO)
    assert told["difference"] == [
        "expert b: model org/b -> org/other (it drains, then it is loaded anew)",
        "expert c added (it is loaded)",
        "router fixed added",
        "composition pool/auto added",
    ]
    assert (told["result"], told["generation"]) == ("applied", 2)
    assert (await served.chat("c")).status_code == 200
    assert (await served.chat("pool/auto")).headers["x-coterie-expert"] == "a"
    assert served.slot.loads == ["a", "b", "b", "c"]


async def test_what_has_left_the_file_is_served_no_more(served: Reloading) -> None:
    told = await served.reloaded(experts={"a": A})
    assert told["difference"] == ["expert b removed (it drains, then it leaves)"]
    await served.slot.saw("unload b")
    answer = await served.chat("b")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    assert await models(served) == ["a", "coterie/embed"]


async def test_a_dry_run_only_tells(served: Reloading) -> None:
    served.write(experts={"a": A, "b": B, "c": B}, slots={"count": 2, "memory_gb": 16})
    told = (await served.reload(dry_run=True)).json()
    assert told["result"] == "compared"
    assert told["difference"] == [
        "expert c added (it is loaded)",
        "needs a restart: slots.count 1 -> 2",
        "needs a restart: slots.canary_tokens 0 -> 8",
    ]
    assert "c" not in await models(served)


async def test_a_file_with_mistakes_changes_nothing(served: Reloading) -> None:
    served.write(experts={"a": A, "b": {"type": "vllm"}}, compositions={"x": {"router": "no"}})
    answer = await served.reload()
    assert answer.status_code == 400
    message = answer.json()["error"]["message"]
    assert "experts.b.model" in message
    assert "compositions.x" in message
    assert (await served.chat("b")).status_code == 200
    status = (await served.http.get("/coterie/config")).json()
    assert status["generation"] == 1
    assert status["last"]["result"] == "refused"
    assert "experts.b.model" in status["last"]["why"]
    assert (await served.reloaded(experts={"a": A, "b": B}))["result"] == "unchanged"


async def test_a_pipe_in_its_place_is_refused_and_does_not_hang(served: Reloading) -> None:
    served.path.unlink()
    os.mkfifo(served.path)
    async with asyncio.timeout(20):
        answer = await served.reload()
        assert answer.status_code == 400
        assert "is no regular file" in answer.json()["error"]["message"]
    served.path.unlink()
    assert (await served.reloaded(experts={"a": A, "b": B}))["result"] == "unchanged"


async def test_what_needs_a_restart_is_named_and_nothing_is_applied(served: Reloading) -> None:
    served.write(experts={"a": A, "b": B, "c": B}, server={"port": 1}, store="sqlite:/tmp/x.db")
    answer = await served.reload()
    assert answer.status_code == 409
    error = answer.json()["error"]
    assert error["code"] == "reload_refused"
    assert "needs a restart: server.port 0 -> 1" in error["message"]
    assert "needs a restart: store has another value (not shown)" in error["message"]
    assert "c" not in await models(served)


async def test_an_expert_that_cannot_be_loaded_refuses_the_reload(served: Reloading) -> None:
    served.slot.load_errors["c"].append(RuntimeError("its files are cut off"))
    served.write(experts={"a": A, "b": B, "c": B}, **AUTO)
    answer = await served.reload()
    assert answer.status_code == 409
    assert "c could not be loaded: its files are cut off." in answer.json()["error"]["message"]
    assert await models(served) == ["a", "b", "coterie/embed"]


@pytest.mark.slow
async def test_a_router_that_cannot_be_made_takes_the_experts_back(
    served: Reloading, tmp_path: Path
) -> None:
    (tmp_path / "near.safetensors").write_bytes(b"nothing")
    near = {"type": "knn", "artifact": "near.safetensors"}
    served.write(experts={"a": A, "c": B}, routers={"near": near})
    answer = await served.reload()
    assert answer.status_code == 400
    assert "near.safetensors" in answer.json()["error"]["message"]
    assert await models(served) == ["a", "b", "coterie/embed"]
    assert (await served.chat("b")).status_code == 200


async def test_what_fails_last_takes_everything_back(served: Reloading) -> None:
    """The engine of `b` is loaded anew when its adapter leaves, and that fails."""
    adapter = {"type": "vllm", "model": "org/l", "adapter_of": "b"}
    await served.reloaded(experts={"a": A, "b": B, "l": adapter})
    served.slot.load_errors["b"].append(RuntimeError("no memory today"))
    served.write(experts={"a": A, "b": B, "c": B})
    assert (await served.reload()).status_code == 409
    assert await models(served) == ["a", "b", "l", "coterie/embed"]
    assert (await served.chat("l")).status_code == 200
    assert (await served.chat("b")).status_code == 200


async def test_keys_come_and_go_and_are_never_shown(served: Reloading) -> None:
    boss = {"key": "very-secret", "admin": True}
    told = await served.reloaded(
        experts={"a": A, "b": B}, server={"port": 0, "api_keys": {"boss": boss}}
    )
    assert told["difference"] == ["API key boss added"]
    assert (await served.chat("a")).status_code == 401
    served.http.headers["authorization"] = "Bearer very-secret"
    assert (await served.chat("a")).status_code == 200
    keys = {"boss": {**boss, "requests_per_minute": 7}, "ann": {"key": "other-secret"}}
    told = await served.reloaded(experts={"a": A, "b": B}, server={"port": 0, "api_keys": keys})
    assert told["difference"] == [
        "API key boss: requests_per_minute null -> 7",
        "API key ann added",
    ]
    assert (await served.chat("a")).headers["x-ratelimit-limit-requests"] == "7"
    keys["boss"]["key"] = "new-secret"
    told = await served.reloaded(experts={"a": A, "b": B}, server={"port": 0, "api_keys": keys})
    assert told["difference"] == ["API key boss: key has another value (not shown)"]
    assert (await served.chat("a")).status_code == 401


async def test_bounds_of_the_server_are_those_of_the_file(served: Reloading) -> None:
    await served.reloaded(experts={"a": A, "b": B}, server={"port": 0, "max_body_mb": 0.00001})
    assert (await served.chat("a")).status_code == 413
    await served.reloaded(experts={"a": A, "b": B}, server={"port": 0, "max_in_flight": 1})
    assert (await served.chat("a")).status_code == 200


async def test_a_stream_of_an_expert_that_leaves_goes_on(served: Reloading, upstream: Any) -> None:
    stream = await served.openai.chat.completions.create(
        model="b", messages=[{"role": "user", "content": "hold leaving"}], stream=True
    )
    await upstream.saw("began leaving")
    await served.reloaded(experts={"a": A})
    upstream.release("leaving")
    texts = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "".join(texts) == "wörd0 wörd1 wörd2 "
    await served.slot.saw("unload b")


async def test_one_more_expert_until_the_next_reload(served: Reloading) -> None:
    await served.reloaded(
        experts={"a": A, "b": B},
        routers={"drawn": {"type": "random"}, "fixed": FIXED},
        compositions={"pool/drawn": {"router": "drawn"}, "pool/fixed": {"router": "fixed"}},
    )
    body = {"name": "law", **hosted("org/law"), "about": "knows contracts"}
    answer = await served.http.post("/coterie/experts", json=body)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["expert"], told["resident"]) == ("law", True)
    assert "the next reload" in told["until"]
    assert {one["composition"]: one["considered"] for one in told["compositions"]} == {
        "pool/drawn": True,
        "pool/fixed": False,
    }
    assert (await served.chat("law")).status_code == 200
    assert (await served.http.get("/coterie/config")).json()["added"] == ["law"]
    told = (await served.reload()).json()
    assert told["difference"] == [
        "expert law removed (it drains, then it leaves): it was added to the running service, and"
        " is not in the file"
    ]
    assert (await served.chat("law")).status_code == 404


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"name": "a"}, 409, "a model `a` already"),
        ({"type": "vllm", "model": None}, 400, "experts.law.model"),
        ({"system": "${env:HOME}"}, 400, "in the file alone"),
        ({"type": "my.module:Engine"}, 400, "in the file alone"),
        ({"name": "no name"}, 400, "must consist of letters"),
        ({"colour": "red"}, 400, "experts.law.colour"),
    ],
)
async def test_an_expert_that_is_wrong_is_refused(
    served: Reloading, changes: dict[str, Any], status: int, words: str
) -> None:
    body = {"name": "law", **hosted("org/law"), **changes}
    answer = await served.http.post("/coterie/experts", json=body)
    assert answer.status_code == status
    assert words in answer.json()["error"]["message"]
    assert (await served.http.get("/coterie/config")).json()["generation"] == 1


async def test_the_metrics_count_reloads(served: Reloading) -> None:
    await served.reloaded(experts={"a": A})
    served.write(experts={})
    await served.reload()
    page = (await served.http.get("/metrics")).text
    assert "coterie_config_generation 2.0" in page
    assert 'coterie_reloads_total{result="applied"} 1.0' in page
    assert 'coterie_reloads_total{result="refused"} 1.0' in page
    assert 'coterie_queue_depth{engine="b"}' not in page


async def test_a_batch_goes_on_and_a_line_whose_model_has_gone_gets_an_error(
    served: Reloading, upstream: Any
) -> None:
    lines = [("1", "b", "hold batched"), ("2", "a", "say yes"), ("3", "b", "say no")]
    file = await served.openai.files.create(
        file=("lines.jsonl", "".join(map(line, lines)).encode()), purpose="batch"
    )
    made = await served.openai.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    await upstream.saw("began batched")
    await served.reloaded(experts={"a": A, "c": B})
    upstream.release("batched")
    async with asyncio.timeout(PATIENCE_S):
        while (now := await served.openai.batches.retrieve(made.id)).status != "completed":
            await asyncio.sleep(0.01)
    assert now.request_counts is not None
    assert now.request_counts.total == 3
    assert now.request_counts.completed + now.request_counts.failed == 3


def line(row: tuple[str, str, str]) -> str:
    identifier, model, script = row
    body = {"model": model, "messages": [{"role": "user", "content": script}]}
    return (
        json.dumps(
            {
                "custom_id": identifier,
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": body,
            }
        )
        + "\n"
    )


async def test_a_prompt_with_another_content_loads_its_expert_anew(
    served: Reloading, tmp_path: Path
) -> None:
    template = tmp_path / "chat.jinja"
    template.write_text("one")
    tree = {"experts": {"a": hosted("org/a", engine_args={"chat_template": "chat.jinja"}), "b": B}}
    await served.reloaded(**tree)
    loads = len(served.slot.loads)
    template.write_text("another")
    told = await served.reloaded(**tree)
    assert told["difference"] == [
        "experts.a.engine_args.chat_template: the file has another content (it drains, then it is"
        " loaded anew)"
    ]
    assert served.slot.loads[loads:] == ["a"]


async def test_one_reload_waits_for_the_other(served: Reloading) -> None:
    served.slot.hold("c")
    served.write(experts={"a": A, "b": B, "c": B})
    first = asyncio.create_task(served.reload())
    await served.slot.saw("load c")
    second = asyncio.create_task(served.reload())
    assert (await served.chat("a")).status_code == 200
    served.slot.release("c")
    results = [(await task).json()["result"] for task in (first, second)]
    assert results == ["applied", "unchanged"]


async def test_a_service_that_stops_reloads_no_more(served: Reloading) -> None:
    served.write(experts={"a": A})
    served.service.reloader._applier.context.drain.refuse()
    with pytest.raises(ReloadRefused, match="The service stops"):
        await served.service.reloader.reload()


async def test_a_gateway_that_is_taken_out_of_its_balancer_reloads(served: Reloading) -> None:
    served.write(experts={"a": A})
    served.service.reloader._applier.context.drain.begin()
    assert (await served.reload()).json()["result"] == "applied"


async def test_an_expert_is_added_by_nothing_that_a_foreign_page_may_send(
    served: Reloading,
) -> None:
    content = json.dumps({"name": "law", **hosted("org/law")})
    headers = {"content-type": "text/plain"}
    answer = await served.http.post("/coterie/experts", content=content, headers=headers)
    assert answer.status_code == 400
    assert "application/json" in answer.json()["error"]["message"]
