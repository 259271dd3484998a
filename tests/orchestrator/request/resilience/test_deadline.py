"""A request's own time: what ends with it, and what its client is told."""

import asyncio
import json
from typing import Any

import openai
import pytest

SHORT = {"coterie": {"timeout_s": 0.5}}


@pytest.mark.parametrize("model", ["tiny", "pool/auto"])
async def test_an_answer_that_does_not_begin_in_time_is_aborted_in_the_engine(
    gateway: Any, upstream: Any, model: str
) -> None:
    answer = await gateway.chat(f"silent late-{model}", model, **SHORT)
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "deadline_passed")
    await upstream.saw(f"aborted late-{model}")


async def test_a_stream_that_does_not_end_in_time_ends_with_an_error_event(
    gateway: Any, upstream: Any
) -> None:
    answer = await gateway.chat("hold cut-off", stream=True, coterie={"timeout_s": 1.0})
    assert answer.status_code == 200
    *_, told, last = answer.text.strip().split("\n\n")
    assert json.loads(told.removeprefix("data: "))["error"]["code"] == "deadline_passed"
    assert last == "data: [DONE]"
    await upstream.saw("aborted cut-off")


async def test_openais_client_raises_when_the_time_of_a_stream_is_over(gateway: Any) -> None:
    stream = await gateway.openai.chat.completions.create(
        model="tiny",
        messages=[{"role": "user", "content": "hold openai-deadline"}],
        stream=True,
        extra_body={"coterie": {"timeout_s": 1.0}},
    )
    with pytest.raises(openai.APIError, match=r"not complete within 1 s"):
        async for _ in stream:
            pass


async def test_the_configuration_bounds_what_a_client_may_ask(serve: Any, upstream: Any) -> None:
    gateway = await serve(server={"request_timeout_s": 0.05})
    asks = [{}, {"coterie": {"timeout_s": 60}}]
    answers = [await gateway.chat(f"silent own-{n}", **body) for n, body in enumerate(asks)]
    assert [answer.status_code for answer in answers] == [504, 504]
    assert (await serve()).context.config.server.request_timeout_s is None


async def test_an_answer_in_time_is_untouched(gateway: Any) -> None:
    plain = await gateway.chat("stream 3", stream=True)
    timed = await gateway.chat("stream 3", stream=True, coterie={"timeout_s": 60})
    assert timed.text == plain.text
    whole = await gateway.chat("x", coterie={"timeout_s": 60})
    assert whole.json()["choices"] == (await gateway.chat("x")).json()["choices"]


async def test_a_panel_ends_in_time_too(serve: Any, upstream: Any) -> None:
    second = {"type": "openai", "base_url": upstream.base_url, "model": "other-model"}
    gateway = await serve(
        {"other": second},
        compositions={"pool/vote": {"router": "one", "aggregator": "vote", "experts": 2}},
    )
    answer = await gateway.chat(
        "silent panel-late", "pool/vote", coterie={"timeout_s": 0.5, "experts": ["tiny", "other"]}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "deadline_passed")
    await upstream.saw("aborted panel-late")


async def test_who_waits_for_anothers_answer_has_its_own_time(serve: Any, upstream: Any) -> None:
    gateway = await serve(server={"cache": {}})
    first = asyncio.create_task(gateway.chat("silent shared-run", temperature=0))
    await upstream.saw("began shared-run")
    late = await gateway.chat("silent shared-run", temperature=0, coterie={"timeout_s": 0.1})
    assert (late.status_code, late.json()["error"]["code"]) == (504, "deadline_passed")
    upstream.release("shared-run")
    assert (await first).status_code == 200
    assert upstream.asked["silent shared-run"] == 1


async def test_a_client_that_leaves_first_is_no_late_answer(gateway: Any, upstream: Any) -> None:
    asking = asyncio.create_task(gateway.chat("silent left-early", coterie={"timeout_s": 60}))
    await upstream.saw("began left-early")
    asking.cancel()
    await upstream.saw("aborted left-early")


@pytest.mark.parametrize("value", [0, -1, "soon"])
async def test_a_time_that_is_none_is_refused(gateway: Any, value: Any) -> None:
    answer = await gateway.chat("x", coterie={"timeout_s": value})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "coterie.timeout_s")
