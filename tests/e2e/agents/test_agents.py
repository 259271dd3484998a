"""The protocols of agents over the real engine, asked by the real clients."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anthropic
import openai
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from orchestrator.service import Service

pytestmark = pytest.mark.e2e
SUM = "What is 12 + 35?"
MESSAGES: list[Any] = [{"role": "user", "content": SUM}]
COLD = {"temperature": 0}


@pytest.fixture(scope="module")
async def claude(service: Service) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(
        base_url=service.base_url, api_key="none", max_retries=0, timeout=60
    ) as made:
        yield made


@pytest.mark.parametrize("model", ["arithmetic", "pool/auto", "pool/vote"])
@pytest.mark.parametrize("stream", [False, True])
async def test_responses_of_experts_routers_and_panels(
    client: AsyncOpenAI, model: str, stream: bool
) -> None:
    if stream:
        async with client.responses.stream(model=model, input=SUM, temperature=0) as events:
            answer: Any = await events.get_final_response()
    else:
        answer = await client.responses.create(model=model, input=SUM, temperature=0, store=False)

    assert answer.output_text.strip() == "47"
    assert (answer.status, answer.model) == ("completed", model)
    assert answer.usage.input_tokens > 5
    assert answer.usage.output_tokens > 1
    assert answer.model_extra["coterie"]["expert"] is not None


@pytest.mark.parametrize("model", ["arithmetic", "pool/auto", "pool/vote"])
@pytest.mark.parametrize("stream", [False, True])
async def test_messages_of_experts_routers_and_panels(
    claude: AsyncAnthropic, model: str, stream: bool
) -> None:
    asked: Any = {"model": model, "max_tokens": 32, "messages": MESSAGES, "extra_body": COLD}
    if stream:
        async with claude.messages.stream(**asked) as events:
            answer: Any = await events.get_final_message()
    else:
        answer = await claude.messages.create(**asked)

    (block,) = answer.content
    assert block.text.strip() == "47"
    assert (answer.stop_reason, answer.model) == ("end_turn", model)
    assert answer.usage.input_tokens > 5
    assert answer.usage.output_tokens > 1


async def test_the_text_that_ends_an_answer_is_told(claude: AsyncAnthropic) -> None:
    answer = await claude.messages.create(
        model="arithmetic",
        max_tokens=32,
        messages=MESSAGES,
        stop_sequences=["7"],
        extra_body=COLD,
    )
    assert (answer.stop_reason, answer.stop_sequence) == ("stop_sequence", "7")
    assert [block.text for block in answer.content if block.type == "text"] == ["4"]


async def test_an_answer_goes_on_where_the_last_message_ends(claude: AsyncAnthropic) -> None:
    begun: list[Any] = [*MESSAGES, {"role": "assistant", "content": "4"}]
    answer = await claude.messages.create(
        model="arithmetic", max_tokens=32, messages=begun, extra_body=COLD
    )
    assert [block.text for block in answer.content if block.type == "text"] == ["7"]


async def test_answers_that_are_cut_off_say_so(claude: AsyncAnthropic, client: AsyncOpenAI) -> None:
    message = await claude.messages.create(
        model="arithmetic", max_tokens=1, messages=MESSAGES, extra_body=COLD
    )
    response = await client.responses.create(
        model="arithmetic", input=SUM, max_output_tokens=1, temperature=0
    )
    assert message.stop_reason == "max_tokens"
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"


async def test_logprobs_are_those_of_the_text(client: AsyncOpenAI) -> None:
    answer: Any = await client.responses.create(
        model="arithmetic",
        input=SUM,
        temperature=0,
        include=["message.output_text.logprobs"],
        top_logprobs=2,
    )
    told = answer.output[0].content[0].logprobs
    assert "".join(one.token for one in told).startswith("47")
    assert all(one.logprob <= 0 and len(one.top_logprobs) == 2 for one in told)


@pytest.mark.parametrize("model", ["arithmetic", "pool/auto"])
async def test_the_tokens_that_are_counted_are_those_that_are_read(
    claude: AsyncAnthropic, model: str
) -> None:
    counted = await claude.messages.count_tokens(model=model, messages=MESSAGES)
    asked: Any = {"model": model, "max_tokens": 8, "messages": MESSAGES}
    usage = (await claude.messages.create(**asked)).usage
    read = usage.input_tokens + (usage.cache_read_input_tokens or 0)
    assert counted.input_tokens == read


async def test_tools_of_an_expert_that_knows_none_are_refused_with_their_place(
    claude: AsyncAnthropic, client: AsyncOpenAI
) -> None:
    with pytest.raises(anthropic.BadRequestError, match="known how expert arithmetic") as caught:
        await claude.messages.create(
            model="arithmetic",
            max_tokens=8,
            messages=MESSAGES,
            tools=[{"name": "look", "input_schema": {"type": "object"}}],
        )
    assert caught.value.body["error"]["param"] == "tools"  # type: ignore[index, call-overload]
    with pytest.raises(openai.BadRequestError, match="known how expert arithmetic"):
        await client.responses.create(
            model="arithmetic",
            input=SUM,
            tools=[{"type": "function", "name": "look", "parameters": {}, "strict": False}],
        )
