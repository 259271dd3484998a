"""Answers of several experts over HTTP: names and wishes, bounds, failures, streams."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from openai import APIError, APIStatusError

from experts.fused.roles import Fused
from orchestrator.request import pipeline
from routers.base import Decision

NAMES = ("one", "two", "three")


class Ordered:
    """The experts in their order, 0.9 for the first."""

    name = "one"

    def route(self, requests: Any) -> list[Decision]:
        scores = tuple(zip(NAMES, (0.9, 0.4, 0.3), strict=True))
        return [Decision("one", scores, "In order.") for _ in requests]


@pytest.fixture(scope="module")
async def panel(serve: Any, upstream: Any) -> Any:
    """Three experts, and compositions of all of them."""
    vote = {"router": "one", "aggregator": "vote"}
    experts = {
        name: {"type": "openai", "base_url": upstream.base_url, "model": name, "about": name}
        for name in NAMES
    }
    return await serve(
        experts,
        routers={"one": Ordered()},
        **{
            "aggregators": {"merge": {"type": "synthesize", "expert": "one"}},
            "compositions": {
                "pool/vote": vote,
                "pool/merge": {"router": "one", "aggregator": "merge"},
                "pool/auto": {"router": "one"},
                "pool/own": {"router": "one", "aggregator": {"type": "vote", "answer": "number"}},
                "pool/hasty": {
                    "router": "one",
                    "aggregator": {"type": "vote", "stop_at": None},
                    "deadline_s": 0.001,
                    "quorum": 2,
                },
                "pool/often": {
                    "router": "one",
                    "aggregator": {"type": "vote", "samples": 3, "stop_at": None},
                },
                "pool/once": {**vote, "budget": {"calls": 1}},
                "pool/terse": {**vote, "budget": {"tokens": 2}},
                "pool/quick": {**vote, "budget": {"seconds": 0.2}},
            },
            "server": {"comment_interval_s": 0.05},
        },
    )


def script(one: str, two: str, three: str) -> str:
    return f"one: {one}\ntwo: {two}\nthree: {three}"


SPLIT = script("say yes", "say no", "say no")


def text_of(answer: httpx.Response) -> str:
    return str(answer.json()["choices"][0]["message"]["content"])


async def events(gateway: Any, text: str, model: str, **body: Any) -> list[str]:
    """What a stream sends: comments as they are, events without `data: `."""
    messages = [{"role": "user", "content": text}]
    asked = {"model": model, "messages": messages, "stream": True, **body}
    answer = await gateway.http.post("/v1/chat/completions", json=asked)
    return [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]


class TestNames:
    async def test_a_composition_may_name_a_type_or_hold_its_keys(self, panel: Any) -> None:
        answer = await panel.chat(SPLIT, "pool/vote")
        assert text_of(answer) == "no"
        assert answer.headers["x-coterie-aggregator"] == "vote"
        assert (
            answer.headers["x-coterie-grouping"] == answer.json()["coterie"]["grouping"] == "read"
        )
        told = answer.json()["coterie"]
        assert told["panel"] == list(NAMES)
        assert set(told["usage"]) == set(NAMES)
        assert told["calls"] == dict.fromkeys(NAMES, 1)
        assert answer.json()["usage"]["completion_tokens"] == 9
        numbers = script("say it is 12", "say 7", "say 7.0")
        assert text_of(await panel.chat(numbers, "pool/own")) == "7"

    async def test_a_router_and_an_aggregator_make_a_model(self, panel: Any) -> None:
        assert text_of(await panel.chat(SPLIT, "pool/one+vote")) == "no"
        assert text_of(await panel.chat(SPLIT, "pool/one")) != "no"

    @pytest.mark.parametrize("model", ["pool/one+nobody", "pool/nobody+vote", "pool/nobody"])
    async def test_a_part_that_does_not_exist_is_not_found(self, panel: Any, model: str) -> None:
        answer = await panel.chat("x", model)
        assert answer.status_code == 404
        assert "pool/ROUTER+AGGREGATOR" in answer.json()["error"]["message"]

    async def test_a_client_may_compose_anew(self, panel: Any) -> None:
        options = {"aggregator": "vote", "router": "one"}
        assert text_of(await panel.chat(SPLIT, "pool/auto", coterie=options)) == "no"
        options = {"experts": ["two", "one"]}
        assert text_of(await panel.chat(SPLIT, "pool/vote", coterie=options)) == "no"
        answer = await panel.chat(SPLIT, "pool/vote", coterie={"experts": 1})
        assert (text_of(answer), answer.json()["coterie"]["panel"]) == ("yes", ["one"])

    @pytest.mark.parametrize(
        ("model", "options", "message"),
        [
            ("pool/vote", {"router": "x"}, "No router is called `x`"),
            ("pool/vote", {"aggregator": "x"}, "No aggregator is called `x`"),
            ("pool/vote", {"experts": ["x"]}, "No expert is called `x`"),
            ("pool/vote", {"experts": 0}, "coterie.experts: must be a number"),
            ("pool/vote", {"experts": [1]}, "or names of experts"),
            ("pool/vote", {"experts": []}, "or names of experts"),
            ("pool/vote", {"budget": {"calls": 0}}, "greater than or equal to 1"),
            ("pool/vote", {"budget": {"tokens": 0}}, "greater than or equal to 1"),
            ("pool/vote", {"budget": {"seconds": 0}}, "greater than 0"),
            ("pool/vote", {"progress": "loud"}, "progress"),
            ("pool/vote", {"tokens": True}, "Several experts answer together"),
            ("pool/auto", {"experts": 2}, "choose an aggregator as well"),
            ("one", {"aggregator": "vote"}, "one is one expert"),
        ],
    )
    async def test_a_wish_that_can_not_be_met_is_refused(
        self, panel: Any, model: str, options: dict[str, Any], message: str
    ) -> None:
        answer = await panel.chat(SPLIT, model, coterie=options)
        assert answer.status_code == 400
        assert message in answer.json()["error"]["message"]

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("n", 2),
            ("tools", [{"function": {"name": "look"}}]),
            ("functions", [{"name": "f"}]),
            ("logprobs", True),
            ("prompt_logprobs", 0),
            ("return_token_ids", True),
            ("response_format", {"type": "json_object"}),
            ("structured_outputs", {"choice": ["a"]}),
            ("structured_outputs", {"json": {}}),
            ("modalities", ["text", "audio"]),
        ],
    )
    async def test_what_only_one_model_can_give_is_refused(
        self, panel: Any, upstream: Any, field: str, value: Any
    ) -> None:
        answer = await panel.chat("one: nobody is asked", "pool/vote", **{field: value})
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == field
        assert upstream.asked["nobody is asked"] == 0

    @pytest.mark.parametrize(
        "fields",
        [
            {"tools": [], "functions": []},
            {"tools": [{"function": {"name": "look"}}], "tool_choice": "none"},
            {"response_format": {"type": "text"}},
            {"structured_outputs": {"json": None, "disable_any_whitespace": True}},
            {"n": 1, "best_of": 1, "logprobs": False, "modalities": ["text"]},
            {"n": None, "logprobs": None, "stop": None, "coterie": {"budget": None}},
        ],
    )
    async def test_what_asks_for_nothing_is_no_obstacle(
        self, panel: Any, fields: dict[str, Any]
    ) -> None:
        assert text_of(await panel.chat(SPLIT, "pool/vote", **fields)) == "no"


class TestBounds:
    async def test_calls_are_bounded(self, panel: Any) -> None:
        answer = await panel.chat(SPLIT, "pool/once", coterie={"explain": True})
        assert set(answer.json()["coterie"]["usage"]) == {"one"}
        failed = answer.json()["coterie"]["aggregation"]["failed"]
        assert any("may cost 1 calls" in reason for reason in failed)

    async def test_tokens_are_bounded(self, panel: Any, upstream: Any) -> None:
        await panel.chat(script("say a", "stream 9", "stream 9"), "pool/terse", max_tokens=500)
        limits = [body["max_tokens"] for body in upstream.bodies if "max_tokens" in body]
        assert limits[-3:] == [2, 2, 2]
        lonely = await panel.chat(script(*["stream 9"] * 3), "pool/terse")
        assert lonely.status_code == 504
        assert lonely.json()["error"]["code"] == "budget_spent"

    async def test_time_is_bounded_and_what_is_there_is_used(self, panel: Any) -> None:
        answer = await panel.chat(script("say a", "hold slow1", "hold slow2"), "pool/quick")
        assert text_of(answer) == "a"

    async def test_who_is_late_is_left_out_and_aborted(self, panel: Any, upstream: Any) -> None:
        late = script("hold late", "say b", "say b")
        answer = await panel.chat(late, "pool/hasty", coterie={"explain": True})
        assert text_of(answer) == "b"
        assert answer.json()["coterie"]["aggregation"]["late"] == ["one"]
        await upstream.saw("aborted late")

    async def test_the_seeds_of_samples_stay_in_range(self, panel: Any, upstream: Any) -> None:
        answer = await panel.chat("say a", "pool/often", seed=2**63 - 1)
        assert answer.status_code == 200
        seeds = {body["seed"] for body in upstream.bodies[-9:]}
        assert seeds == {2**63 - 1, *range(8)}

    async def test_a_wish_may_lower_the_bounds(self, panel: Any) -> None:
        options = {"budget": {"calls": 2}}
        answer = await panel.chat(SPLIT, "pool/vote", coterie=options)
        assert len(answer.json()["coterie"]["usage"]) == 2


class TestFailures:
    async def test_who_fails_before_its_first_piece_is_asked_again(
        self, panel: Any, upstream: Any
    ) -> None:
        answer = await panel.chat(script("drop-once again", "say a", "say b"), "pool/vote")
        assert upstream.asked["drop-once again"] == 2
        assert set(answer.json()["coterie"]["usage"]) == set(NAMES)

    async def test_who_breaks_off_is_not(self, panel: Any, upstream: Any) -> None:
        answer = await panel.chat(script("cut a panel", "say a", "say a"), "pool/vote")
        assert upstream.asked["cut a panel"] == 1
        assert text_of(answer) == "a"

    async def test_all_reasons_are_named(self, panel: Any) -> None:
        broken = script("refuse broken", "drop", "unfinished")
        answer = await panel.chat(broken, "pool/vote")
        assert answer.status_code == 502
        message = answer.json()["error"]["message"]
        assert answer.json()["error"]["code"] == "no_expert_answered"
        assert all(name in message for name in NAMES)
        assert "it broke" not in message
        assert "The server of expert one failed." in message

    async def test_a_mistake_of_the_client_keeps_its_status(self, panel: Any) -> None:
        answer = await panel.chat(script(*["refuse field"] * 3), "pool/vote")
        assert answer.status_code == 400
        assert answer.json()["error"]["message"] == "bad n"

    @pytest.mark.parametrize("code", [400, 422])
    async def test_so_does_one_that_engines_find_when_they_have_begun(
        self, panel: Any, code: int
    ) -> None:
        refusal = json.dumps({"error": {"message": "token 999999 is none", "code": code}})
        answer = await panel.chat(script(*[f"event {refusal}"] * 3), "pool/vote")
        error = answer.json()["error"]
        assert (answer.status_code, error["message"]) == (code, "token 999999 is none")
        assert error["type"] == "invalid_request_error"
        assert isinstance(error["code"], str)

    async def test_one_member_that_refuses_costs_its_vote(self, panel: Any) -> None:
        refusal = json.dumps({"error": {"message": "token 999999 is none", "code": 400}})
        answer = await panel.chat(script(f"event {refusal}", "say a", "say a"), "pool/vote")
        assert text_of(answer) == "a"

    async def test_openais_client_raises(self, panel: Any) -> None:
        messages: Any = [{"role": "user", "content": script(*["refuse broken"] * 3)}]
        with pytest.raises(APIStatusError, match="No expert answered"):
            await panel.openai.chat.completions.create(model="pool/vote", messages=messages)
        stream = await panel.openai.chat.completions.create(
            model="pool/vote", messages=messages, stream=True
        )
        with pytest.raises(APIError, match="No expert answered"):
            [chunk async for chunk in stream]

    async def test_a_client_that_leaves_aborts_everybody(self, panel: Any, upstream: Any) -> None:
        messages = [{"role": "user", "content": script("hold l1", "hold l2", "hold l3")}]
        asked = {"model": "pool/vote", "messages": messages, "stream": True}
        async with panel.http.stream("POST", "/v1/chat/completions", json=asked) as answer:
            await anext(answer.aiter_bytes())
            for key in ("l1", "l2", "l3"):
                await upstream.saw(f"began {key}")
        for key in ("l1", "l2", "l3"):
            await upstream.saw(f"aborted {key}")
        await panel.settled()


class TestStreams:
    async def test_the_first_byte_comes_before_any_answer(self, panel: Any, upstream: Any) -> None:
        messages = [{"role": "user", "content": script("hold first", "say a", "say a")}]
        asked = {"model": "pool/merge", "messages": messages, "stream": True}
        async with panel.http.stream("POST", "/v1/chat/completions", json=asked) as answer:
            pieces = answer.aiter_text()
            assert '"role": "assistant"' in await anext(pieces)
            await upstream.saw("began first")
            upstream.release("first")
            rest = "".join([piece async for piece in pieces])
        assert rest.endswith("data: [DONE]\n\n")

    async def test_progress_is_told_in_comments(self, panel: Any) -> None:
        found = await events(panel, SPLIT, "pool/vote")
        assert ": 3 of 3 answered" in found
        assert json.loads(found[-2])["choices"][0]["delta"]["content"] == "no"

    async def test_progress_is_told_as_reasoning_when_asked_for(self, panel: Any) -> None:
        found = await events(panel, SPLIT, "pool/vote", coterie={"progress": "reasoning"})
        assert not any(line.startswith(":") for line in found)
        deltas = [json.loads(line)["choices"][0]["delta"] for line in found[:-1]]
        assert "3 of 3 answered\n" in [delta.get("reasoning") for delta in deltas]

    async def test_silence_is_filled(self, panel: Any, upstream: Any) -> None:
        messages = [{"role": "user", "content": script("hold quiet", "say a", "say a")}]
        asked = {"model": "pool/merge", "messages": messages, "stream": True}
        async with panel.http.stream("POST", "/v1/chat/completions", json=asked) as answer:
            lines = answer.aiter_lines()
            repeated = 0
            async for line in lines:
                repeated += line == ": 2 of 3 answered"
                if repeated == 3:
                    break
            upstream.release("quiet")

    async def test_the_last_piece_tells_who_cost_what(self, panel: Any) -> None:
        options = {"stream_options": {"include_usage": True}, "coterie": {"explain": True}}
        found = await events(panel, SPLIT, "pool/vote", **options)
        last = json.loads(found[-3])
        assert last["choices"][0]["finish_reason"] == "stop"
        assert last["coterie"]["aggregation"]["votes"] == {"no": 2.0, "yes": 1.0}
        assert json.loads(found[-2])["usage"]["completion_tokens"] == 9

    async def test_the_final_answer_comes_in_pieces(self, panel: Any) -> None:
        found = await events(panel, script("stream 4", "say b", "say c"), "pool/merge")
        pieces = [
            json.loads(line)["choices"][0]["delta"].get("content")
            for line in found
            if line.startswith("{")
        ]
        assert [piece for piece in pieces if piece] == [f"w\u00f6rd{n} " for n in range(4)]


@pytest.mark.parametrize(
    "data",
    [
        "null",
        "not JSON",
        '{"choices": ["x"]}',
        '{"choices": [{"delta": "x"}]}',
        '{"choices": [{"delta": {"content": 7}}]}',
        '{"choices": [{"delta": {"content": [7]}}]}',
        '{"choices": 1}',
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_member_that_sends_odd_json_is_left_out_by_name(
    panel: Any, data: str, stream: bool
) -> None:
    text = script(f"event {data}", "say yes", "say yes")
    asked = {"coterie": {"explain": True}}
    if stream:
        told = [
            json.loads(e) for e in await events(panel, text, "pool/vote", **asked) if e[0] == "{"
        ]
        facts = [e["coterie"] for e in told if "coterie" in e][-1]["aggregation"]
    else:
        answer = await panel.chat(text, "pool/vote", **asked)
        assert (answer.status_code, text_of(answer)) == (200, "yes")
        facts = answer.json()["coterie"]["aggregation"]
    assert "one" in json.dumps(facts["failed"])
    assert "OpenAI's format" in json.dumps(facts["failed"])


async def test_members_may_say_what_is_a_role_token_of_another(
    serve: Any, upstream: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Members that `stream` say so, and the client's text does not.
    model = Fused(("w\u00f6rd1",), (6,), ("a",))
    monkeypatch.setattr(pipeline, "fused", lambda folder: model)
    other = {"type": "openai", "base_url": upstream.base_url}
    gateway = await serve(
        {
            "one": {"type": "vllm", "model": "org/fused", "memory_gb": 1},
            "two": {**other, "model": "two"},
            "three": {**other, "model": "three"},
        },
        routers={"one": Ordered()},
        slots={"preload": False, "canary_tokens": 0},
        aggregators={"merge": {"type": "synthesize", "expert": "one"}},
        compositions={"pool/merge": {"router": "one", "aggregator": "merge"}},
    )
    answer = await gateway.chat(script("say a", "stream 3", "say b"), "pool/merge")
    assert answer.status_code == 200, answer.text
    read = str(upstream.bodies[-1]["messages"])
    assert "w\u00f6rd0 w \u00f6rd1 w\u00f6rd2" in read
    refused = await gateway.chat(script("say a", "say w\u00f6rd1", "say b"), "pool/merge")
    assert refused.status_code == 400
    assert "reserved for choosing a role" in refused.json()["error"]["message"]
