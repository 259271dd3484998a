"""Completions of several prompts over HTTP: each routed, answered and indexed by itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openai
import pytest

from routers.base import Decision

NAMES = ("one", "two", "three")


def answering(text: str, count: int = 1) -> str:
    """A prompt that the scripted server answers with so many choices of that text."""
    choices = [{"index": n, "text": text, "finish_reason": "stop"} for n in range(count)]
    usage = {"prompt_tokens": 2, "completion_tokens": 1, "total_tokens": 3}
    return "event " + json.dumps({"choices": choices, "usage": usage})


class ByName:
    """Asks whoever the text names, and remembers what it saw."""

    name = "one"

    def __init__(self) -> None:
        self.seen: list[str] = []

    def route(self, requests: Any) -> list[Decision]:
        self.seen += [request.query for request in requests]
        return [self._decided(request.query) for request in requests]

    def _decided(self, text: str) -> Decision:
        first = next((name for name in NAMES if f"for {name}" in text), "one")
        others = [name for name in NAMES if name != first]
        return Decision("one", tuple((name, 0.5) for name in [first, *others]), "By name.")


@pytest.fixture(scope="module")
def router() -> ByName:
    return ByName()


@pytest.fixture(scope="module")
async def pool(serve: Any, upstream: Any, router: ByName) -> Any:
    """Three experts, one chosen by name, or all in a vote."""
    vote = {"router": "one", "aggregator": {"type": "vote", "stop_at": None}}
    experts = {
        name: {"type": "openai", "base_url": upstream.base_url, "model": name} for name in NAMES
    }
    return await serve(
        experts,
        routers={"one": router},
        compositions={"pool/auto": {"router": "one"}, "pool/vote": vote},
        server={"max_prompts": 80, "comment_interval_s": 0.02},
    )


def script(**answers: str) -> str:
    return "\n".join(f"{name}: {answer}" for name, answer in answers.items())


async def test_each_prompt_goes_where_it_belongs(pool: Any, router: ByName, upstream: Any) -> None:
    prompts = [script(**{name: answering(name)}) + f"\nfor {name}" for name in ("two", "one")]
    answer = await pool.openai.completions.create(model="pool/auto", prompt=prompts)
    assert [(choice.index, choice.text) for choice in answer.choices] == [(0, "two"), (1, "one")]
    told = [choice.model_extra["coterie"]["expert"] for choice in answer.choices]
    assert told == ["two", "one"]
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (4, 2)
    assert answer.usage.total_tokens == 6
    assert set(prompts) <= set(router.seen)
    assert [body["prompt"] for body in upstream.bodies[-2:]] == prompts


async def test_a_panel_answers_each_prompt(pool: Any) -> None:
    prompts = [
        script(one="say 6", two="say 6", three="say 1"),
        script(one="say 1", two="say 2", three="say 2"),
    ]
    answer = await pool.openai.completions.create(model="pool/vote", prompt=prompts)
    assert [(choice.index, choice.text) for choice in answer.choices] == [(0, "6"), (1, "2")]
    assert answer.usage.completion_tokens == 18


async def test_choices_are_numbered_through(pool: Any) -> None:
    prompts = [script(one=answering("a", 2)), script(one=answering("b", 2))]
    answer = await pool.openai.completions.create(model="pool/auto", prompt=prompts, n=2)
    found = [(choice.index, choice.text) for choice in answer.choices]
    assert found == [(0, "a"), (1, "a"), (2, "b"), (3, "b")]


@pytest.mark.parametrize("model", ["pool/auto", "pool/vote"])
async def test_streams_are_told_apart_by_their_index(pool: Any, model: str) -> None:
    texts = ["six", "one", "ten"]
    prompts = [script(**dict.fromkeys(NAMES, f"say {text}")) for text in texts]
    stream = await pool.openai.completions.create(
        model=model, prompt=prompts, stream=True, stream_options={"include_usage": True}
    )
    found = ["", "", ""]
    usage = None
    ids = set()
    async for chunk in stream:
        ids.add(chunk.id)
        for choice in chunk.choices:
            found[choice.index] += choice.text
        usage = chunk.usage or usage
    assert [text.strip() for text in found] == texts
    assert len(ids) == 1
    assert usage is not None
    assert usage.completion_tokens == 3 * 3 * (3 if model == "pool/vote" else 1)


async def test_one_prompt_in_a_list_is_one_prompt(pool: Any, upstream: Any) -> None:
    text = script(one=answering("x"))
    answer = await pool.openai.completions.create(model="pool/auto", prompt=[text])
    assert answer.choices[0].text == "x"
    assert upstream.bodies[-1]["prompt"] == text


@pytest.mark.parametrize("stream", [True, False])
async def test_who_fails_fails_the_request_and_ends_the_others(
    pool: Any, upstream: Any, stream: bool
) -> None:
    prompts = [script(one=f"hold long{stream}"), script(one="refuse field")]
    if stream:  # A stream that has begun may end with the error.
        prompts[0] = script(one="refuse coded")
    with pytest.raises(openai.APIStatusError) as caught:
        await pool.openai.completions.create(model="pool/auto", prompt=prompts, stream=stream)
    assert caught.value.status_code in (400, 429)
    await pool.settled()


async def test_a_stream_says_how_far_it_is(pool: Any, upstream: Any) -> None:
    prompts = [script(one="say a"), script(one="hold slow prompt")]
    body = {"model": "pool/auto", "prompt": prompts, "stream": True}
    async with pool.http.stream("POST", "/v1/completions", json=body) as answer:
        text = ""
        async for piece in answer.aiter_text():
            text += piece
            if ": 1 of 2 prompts are answered\n\n" in text:
                upstream.release("slow prompt")
    assert ": 1 of 2 prompts are answered\n\n" in text
    assert text.endswith("data: [DONE]\n\n")


async def test_a_client_that_leaves_ends_all(pool: Any, upstream: Any) -> None:
    prompts = [script(one=f"hold left{number}") for number in range(3)]
    body = {"model": "pool/auto", "prompt": prompts, "stream": True}
    async with pool.http.stream("POST", "/v1/completions", json=body) as answer:
        await anext(answer.aiter_bytes())
        for number in range(3):
            await upstream.saw(f"began left{number}")
    for number in range(3):
        await upstream.saw(f"aborted left{number}")
    await pool.settled()


async def test_prompts_are_bounded(pool: Any) -> None:
    with pytest.raises(openai.BadRequestError, match=r"at most 80 prompts \(server.max_prompts\)"):
        await pool.openai.completions.create(model="pool/auto", prompt=["x"] * 81)
    many = [script(one=answering(str(n))) for n in range(80)]
    answer = await pool.openai.completions.create(model="pool/auto", prompt=many)
    assert [choice.text for choice in answer.choices] == [str(n) for n in range(80)]


@pytest.mark.parametrize("prompt", [[1, 2], [[1], [2]]])
@pytest.mark.parametrize("model", ["pool/auto", "pool/vote"])
async def test_ids_of_nobody_knows_which_tokenizer_are_refused(
    pool: Any, model: str, prompt: Any
) -> None:
    with pytest.raises(openai.BadRequestError, match="one tokenizer") as caught:
        await pool.openai.completions.create(model=model, prompt=prompt)
    assert caught.value.param == "prompt"


async def test_embeddings_of_a_prompt_have_no_text_to_route_by(pool: Any) -> None:
    body = {"model": "pool/auto", "prompt_embeds": "AAAA"}
    answer = await pool.http.post("/v1/completions", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "prompt_embeds")


class Alone:
    """The expert in a slot, whatever is asked; remembers what it saw."""

    name = "one"

    def __init__(self) -> None:
        self.seen: list[str] = []

    def route(self, requests: Any) -> list[Decision]:
        self.seen += [request.query for request in requests]
        return [Decision("one", (("tiny", 1.0), ("b", 0.5)), "Alone.") for _ in requests]


@pytest.fixture(scope="module")
async def hosted(serve: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Alone]:
    """Two experts in slots that share a tokenizer, and nobody else."""
    experts = {}
    for name in ("tiny", "b"):
        folder: Path = tmp_path_factory.mktemp(name)
        (folder / "tokenizer.json").write_text("{}")
        experts[name] = {"type": "vllm", "model": str(folder), "memory_gb": 1}
    alone = Alone()
    gateway = await serve(
        experts,
        routers={"one": alone},
        slots={"canary_tokens": 0},
        compositions={
            "pool/auto": {"router": "one"},
            "pool/pair": {"router": "one", "aggregator": "vote"},
        },
    )
    return gateway, alone


def ids(text: str) -> list[int]:
    return list(map(ord, text))


async def test_ids_are_routed_as_their_text_and_sent_as_they_came(
    hosted: tuple[Any, Alone], upstream: Any
) -> None:
    gateway, alone = hosted
    text = answering("6")
    body = {"model": "pool/auto", "prompt": ids(text)}
    answer = await gateway.http.post("/v1/completions", json=body)
    assert answer.status_code == 200
    assert alone.seen[-1] == text
    assert upstream.bodies[-1]["prompt"] == ids(text)
    assert "add_special_tokens" not in upstream.bodies[-1]


async def test_a_panel_gets_their_text(hosted: tuple[Any, Alone], upstream: Any) -> None:
    gateway, alone = hosted
    answer = await gateway.openai.completions.create(model="pool/pair", prompt=ids("say 6"))
    assert answer.choices[0].text == "6"
    assert alone.seen[-1] == "say 6"
    assert upstream.bodies[-1]["prompt"] == "say 6"
    assert upstream.bodies[-1]["add_special_tokens"] is False


async def test_ids_that_are_no_tokens_are_refused(hosted: tuple[Any, Alone]) -> None:
    body = {"model": "pool/pair", "prompt": [[5], [0]]}
    answer = await hosted[0].http.post("/v1/completions", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "prompt")
