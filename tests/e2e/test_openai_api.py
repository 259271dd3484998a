"""The real engine behind the gateway, asked by the real OpenAI client."""

import asyncio
import json

import httpx
import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel

from experts.types import Operation
from orchestrator.server.fields import FIELDS, WITHHELD
from orchestrator.service import Service

pytestmark = pytest.mark.e2e
SUM = [{"role": "user", "content": "What is 12 + 35?"}]
REVERSE = [{"role": "user", "content": 'Reverse the word "bako".'}]


async def test_an_expert_answers_its_skill(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="arithmetic", messages=SUM, temperature=0)

    assert answer.choices[0].message.content == "47"
    assert answer.model == "arithmetic"
    assert answer.model_extra["coterie"]["expert"] == "arithmetic"


async def test_the_pool_routes_by_skill_and_keeps_its_name(client: AsyncOpenAI) -> None:
    raw = await client.chat.completions.with_raw_response.create(
        model="pool/auto", messages=SUM, temperature=0, extra_headers={"x-request-id": "abc"}
    )
    answer = raw.parse()

    assert answer.choices[0].message.content == "47"
    assert answer.model == "pool/auto"
    assert raw.headers["x-coterie-expert"] == "arithmetic"
    assert raw.headers["x-coterie-router"] == "knn"
    assert raw.headers["x-request-id"] == "abc"
    assert float(raw.headers["x-coterie-route-ms"]) > 0


async def test_a_stream_is_the_same_answer_in_pieces(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="pool/auto",
        messages=REVERSE,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)

    assert text == "okab"
    assert {chunk.model for chunk in chunks} == {"pool/auto"}
    assert chunks[-1].usage.completion_tokens > 1


async def test_an_explanation_comes_first_when_asked_for(http: httpx.AsyncClient) -> None:
    body = {"model": "pool/auto", "messages": SUM, "stream": True, "coterie": {"explain": True}}
    lines = (await http.post("/v1/chat/completions", json=body)).text.splitlines()
    extension = json.loads(lines[0].removeprefix("data: "))["coterie"]

    assert extension["expert"] == "arithmetic"
    assert extension["scores"]["arithmetic"] > extension["scores"]["geography"]
    assert "arithmetic" in extension["reason"]
    assert lines[-2] == "data: [DONE]"


async def test_many_at_once_get_their_own_answers(client: AsyncOpenAI) -> None:
    pairs = [(a, b) for a in range(10, 18) for b in range(20, 28)]

    async def ask(a: int, b: int) -> str | None:
        answer = await client.chat.completions.create(
            model="pool/auto",
            messages=[{"role": "user", "content": f"What is {a} + {b}?"}],
            temperature=0,
        )
        return answer.choices[0].message.content

    answers = await asyncio.gather(*(ask(a, b) for a, b in pairs))
    right = sum(answer == str(a + b) for answer, (a, b) in zip(answers, pairs, strict=True))
    assert right >= 0.9 * len(pairs)


async def test_an_adapter_shares_the_engine_of_its_base(
    client: AsyncOpenAI, http: httpx.AsyncClient
) -> None:
    question = [{"role": "user", "content": 'Shift every letter of "bako" by one.'}]
    base, adapter = [
        await client.chat.completions.create(model=name, messages=question, temperature=0)
        for name in ("strings", "cipher")
    ]
    pool = (await http.get("/coterie/pool")).json()

    assert adapter.choices[0].message.content != base.choices[0].message.content
    assert adapter.model == "cipher"
    assert "cipher" in pool["slots"][0]["residents"]
    assert "cipher" not in pool["loads"]


async def test_base_and_adapter_in_one_batch_keep_apart(client: AsyncOpenAI) -> None:
    async def ask(model: str, question: str) -> str | None:
        answer = await client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": question}], temperature=0
        )
        return answer.choices[0].message.content

    reverse, shift = 'Reverse the word "bako".', 'Shift every letter of "bako" by one.'
    questions = [("strings", reverse), ("cipher", shift)] * 8

    assert await asyncio.gather(*(ask(*q) for q in questions)) == ["okab", "cblp"] * 8


async def test_sampling_parameters_reach_the_engine(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="strings",
        messages=REVERSE,
        n=3,
        temperature=1.5,
        seed=7,
        max_tokens=3,
        logprobs=True,
        top_logprobs=2,
        extra_body={"ignore_eos": True},
    )

    assert len(answer.choices) == 3
    assert {c.finish_reason for c in answer.choices} == {"length"}
    assert len(answer.choices[0].logprobs.content[0].top_logprobs) == 2


async def test_a_stop_string_ends_the_answer(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="strings", messages=REVERSE, temperature=0, stop=["a"]
    )

    assert answer.choices[0].message.content == "ok"
    assert answer.choices[0].finish_reason == "stop"


async def test_likelihoods_of_given_tokens(client: AsyncOpenAI, http: httpx.AsyncClient) -> None:
    """What lm-evaluation-harness does: tokenize, then echo with logprobs over token ids."""
    body = {"prompt": "What is 12 + 35?", "add_special_tokens": False}
    tokens = (await http.post("/e/arithmetic/tokenize", json=body)).json()["tokens"]
    text = (await http.post("/e/arithmetic/detokenize", json={"tokens": tokens})).json()["prompt"]
    completion = await client.completions.create(
        model="arithmetic", prompt=[tokens], max_tokens=1, echo=True, logprobs=1, temperature=0
    )

    assert text == "What is 12 + 35?"
    assert len(completion.choices[0].logprobs.token_logprobs) == len(tokens) + 1


async def test_structured_output_is_enforced(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="arithmetic",
        messages=SUM,
        temperature=0,
        max_tokens=32,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "word", "schema": {"type": "string", "enum": ["yes", "no"]}},
        },
    )

    assert json.loads(answer.choices[0].message.content or "") in ("yes", "no")


async def test_a_prompt_over_the_context_names_both_lengths(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(
            model="arithmetic", messages=[{"role": "user", "content": "7" * 5000}]
        )

    assert caught.value.code == "context_length_exceeded"
    assert "1024 tokens" in caught.value.message
    assert "500" in caught.value.message


async def test_an_unknown_model_is_not_found(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        await client.chat.completions.create(model="nobody", messages=SUM)

    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    "path", ["tokenizer_info", "version", "openapi.json", "health", "health/readiness", "v1/models"]
)
async def test_an_expert_has_its_own_base_path(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(f"/e/arithmetic/{path}")

    assert answer.status_code == 200
    assert answer.json()


async def test_an_experts_path_needs_no_model_name(http: httpx.AsyncClient) -> None:
    answer = await http.post("/e/arithmetic/v1/chat/completions", json={"messages": SUM})

    assert answer.json()["model"] == "arithmetic"


async def test_embeddings_come_from_the_routers_encoder(client: AsyncOpenAI) -> None:
    answer = await client.embeddings.create(model="coterie/embed", input=["one", "two"])

    assert len(answer.data) == 2
    assert sum(x * x for x in answer.data[0].embedding) == pytest.approx(1, abs=1e-3)


def test_every_field_of_the_engine_may_pass() -> None:
    """The list of known fields is ours; the engine's own types say when it is out of date."""
    # Imported here: vLLM takes seconds, and warns unless the first is before it.
    import vllm_here  # noqa: F401, PLC0415
    from vllm.entrypoints.openai.chat_completion.protocol import (  # noqa: PLC0415
        ChatCompletionRequest,
    )
    from vllm.entrypoints.openai.completion.protocol import CompletionRequest  # noqa: PLC0415

    kinds: dict[Operation, type[BaseModel]] = {
        "chat/completions": ChatCompletionRequest,
        "completions": CompletionRequest,
    }
    for operation, kind in kinds.items():
        fields = kind.model_json_schema()["properties"].keys()
        assert fields - FIELDS[operation] - WITHHELD == set()


async def test_the_whole_zoo_stays_under_four_gigabytes(
    service: Service, http: httpx.AsyncClient
) -> None:
    slot = (await http.get("/coterie/pool")).json()["slots"][0]

    assert set(slot["residents"]) == set(service.config.experts)
    assert slot["memory_gb"] < 4


async def test_seeded_samples_survive_prompts_that_are_read_in_parts(
    client: AsyncOpenAI, http: httpx.AsyncClient
) -> None:
    """More tokens than a step reads at once: vLLM on CPU dies of such draws if it is left alone."""
    before = (await http.get("/coterie/pool")).json()["loads"]["strings"]["count"]

    async def sample(text: str) -> str:
        answer = await client.chat.completions.create(
            model="strings",
            messages=[{"role": "user", "content": text}],
            temperature=0.9,
            seed=7,
            max_tokens=8,
        )
        return answer.choices[0].message.content or ""

    texts = [f'Reverse the word "{"ab" * 100}{number}".' for number in range(40)]
    together = await asyncio.gather(*map(sample, texts))
    alone = [await sample(text) for text in texts[-3:]]
    assert together[-3:] == alone
    assert (await http.get("/coterie/pool")).json()["loads"]["strings"]["count"] == before
