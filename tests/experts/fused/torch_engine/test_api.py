"""The OpenAI client at a torch engine: streams, stops, seeds, many at once, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import openai
import pytest
from openai import AsyncOpenAI

from aggregators.mixture_of_thoughts.model import MixtureOfThoughts
from aggregators.mixture_of_thoughts.training_config import TrainingConfig
from experts.errors import ExpertLost
from experts.fused.composites.mixture_of_thoughts.listening import listened
from experts.fused.torch_engine.api import application
from experts.fused.torch_engine.engine import Ask, TorchEngine
from experts.fused.torch_engine.sampling import Sampling
from experts.vllm.turns.stepper import Stepper

ASKED = [{"role": "user", "content": "What is 12 + 5?"}]
ROLE = "arithmetic+geography+translation"
GREEDY = {"temperature": 0, "max_tokens": 12, "extra_body": {"ignore_eos": True}}


@pytest.fixture
async def engine(made: tuple[Path, TrainingConfig, MixtureOfThoughts]) -> TorchEngine:
    return TorchEngine(made[0], Stepper(0.0), max_num_seqs=3)


@pytest.fixture
async def client(engine: TorchEngine) -> AsyncIterator[AsyncOpenAI]:
    transport = httpx.ASGITransport(application("mixture", engine))
    async with AsyncOpenAI(
        base_url="http://slot/v1",
        api_key="none",
        max_retries=0,
        http_client=httpx.AsyncClient(transport=transport),
    ) as made:
        yield made


async def whole(client: AsyncOpenAI, **fields: object) -> str:
    answer = await client.chat.completions.create(
        model="mixture", messages=ASKED, **{**GREEDY, **fields}
    )  # type: ignore[call-overload]
    return str(answer.choices[0].message.content)


async def test_a_stream_says_what_a_whole_answer_says(client: AsyncOpenAI) -> None:
    expected = await whole(client)
    stream = await client.chat.completions.create(
        model="mixture",
        messages=ASKED,
        stream=True,
        stream_options={"include_usage": True},
        **GREEDY,
    )  # type: ignore[call-overload]
    chunks = [chunk async for chunk in stream]
    said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert said == expected
    assert chunks[-2].choices[0].finish_reason == "length"
    assert chunks[-1].usage.completion_tokens == 12


@pytest.mark.slow
async def test_many_at_once_are_each_alone(client: AsyncOpenAI, engine: TorchEngine) -> None:
    roles = [ROLE, "geography+arithmetic+translation", "arithmetic", "geography"]
    bodies = [
        {"extra_body": {"ignore_eos": True, "chat_template_kwargs": {"role": role}}}
        for role in roles
    ]
    alone = [await whole(client, **body) for body in bodies]
    assert len(set(alone)) > 2
    together = await asyncio.gather(*(whole(client, **body) for body in bodies * 3))
    assert together == alone * 3
    assert engine.get_num_unfinished_requests() == 0


async def test_a_stop_string_ends_it(client: AsyncOpenAI) -> None:
    text = await whole(client)
    stop = text[1:4]
    assert stop
    assert await whole(client, stop=[stop]) == text[: text.index(stop)]


async def test_seeds_and_choices(client: AsyncOpenAI) -> None:
    async def drawn(seed: int) -> list[str | None]:
        answer = await client.chat.completions.create(
            model="mixture", messages=ASKED, temperature=2, n=3, seed=seed, max_tokens=8
        )  # type: ignore[call-overload]
        return [choice.message.content for choice in answer.choices]

    first = await drawn(1)
    assert await drawn(1) == first
    assert await drawn(2) != first
    assert len(set(first)) > 1


async def test_attention_comes_as_from_vllm(client: AsyncOpenAI, engine: TorchEngine) -> None:
    marks = list(engine.model.composite.role_token_ids)[:6]
    answer = await client.chat.completions.create(
        model="mixture",
        messages=ASKED,
        max_tokens=2,
        temperature=0,
        logprobs=True,
        extra_body={"logprob_token_ids": marks, "chat_template_kwargs": {"role": ROLE}},
    )  # type: ignore[call-overload]
    first, _ = answer.choices[0].logprobs.content
    told = listened([other.logprob for other in first.top_logprobs], 3)
    # There are tokens for four roles, which is room for one layer.
    assert [sum(layer) for layer in told] == pytest.approx([1], abs=1e-3)
    assert all(share > 0 for layer in told for share in layer)


async def test_completions_go_on(client: AsyncOpenAI) -> None:
    answer = await client.completions.create(
        model="mixture", prompt="12 + 5", max_tokens=4, temperature=0
    )
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 1
    assert answer.object == "text_completion"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"max_tokens": 5000}, "maximum context length is"),
        ({"extra_body": {"chat_template_kwargs": {"role": "nobody"}}}, "no role `nobody`"),
        ({"temperature": -1}, "temperature"),
        ({"tools": [{"type": "function", "function": {"name": "x"}}]}, "does not support tools"),
        ({"n": 99}, "n: Input should be less than"),
    ],
)
async def test_what_can_not_be_answered(
    client: AsyncOpenAI, fields: dict[str, object], words: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await whole(client, **fields)
    assert words in str(caught.value)


async def test_who_leaves_costs_nothing_more(engine: TorchEngine) -> None:
    ask = Ask(ASKED, None, None, ignore_eos=True, sampling=Sampling(temperature=0))
    answer = engine.answer(engine.begin(ask))
    await anext(answer)
    assert engine.busy
    await answer.aclose()  # type: ignore[attr-defined]
    assert not engine.busy


async def test_who_waits_hears_that_the_expert_was_unloaded(
    client: AsyncOpenAI, engine: TorchEngine
) -> None:
    ask = Ask(ASKED, None, None, ignore_eos=True, sampling=Sampling(temperature=0))
    begun = engine.begin(ask)
    stream = engine.answer(begun)
    await anext(stream)
    waiting = asyncio.create_task(whole(client, max_tokens=200))
    while engine.get_num_unfinished_requests() < 2:
        await asyncio.sleep(0)
    await asyncio.to_thread(engine.shutdown)
    with pytest.raises(ExpertLost, match="unloaded before its answer"):
        async for _ in stream:
            pass
    with pytest.raises(openai.InternalServerError, match="unloaded before its answer"):
        await waiting
    with pytest.raises(ExpertLost):
        await anext(engine.answer(begun))
