"""FusionRoute in the real engine: its members, roles and logits, in one engine process."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
import torch
from composite_engines import (
    ANSWER,
    BLOCK,
    BOS,
    FIRST_ROLE,
    VOCABULARY,
    ZOO,
    Engines,
    Server,
    chosen_by,
    loose,
    serving,
    texts,
    tight,
    worst_error,
)
from fused_folders import EXPERTS, ROUTE_ROLES, role_token, write_route
from openai import AsyncOpenAI

from experts.fused.composites.fusion_route.speaker import speaker
from routers.fusion_route.reference import FusionRouteReference

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {"route": write_route(tmp_path_factory.mktemp("composites") / "route")}


@pytest.fixture(scope="module")
def server(folders: dict[str, Path]) -> Iterator[Server]:
    loads = {name: loose(ZOO / name) for name in EXPERTS}
    loads |= {"route": loose(folders["route"]), "tight-route": tight(folders["route"], 16384)}
    with serving(loads) as started:
        yield started


@pytest.fixture(scope="module")
async def engines(server: Server, folders: dict[str, Path]) -> AsyncIterator[Engines]:
    async with httpx.AsyncClient(timeout=60) as client:
        yield Engines(server, client, folders)


@pytest.mark.parametrize("expert", EXPERTS)
async def test_a_forced_expert_answers_as_it_does_alone(engines: Engines, expert: str) -> None:
    role = role_token(ROUTE_ROLES, expert)
    for text in texts(6):
        alone = await engines.follow(expert, [BOS, *text])

        assert await engines.follow("route", [role, *text]) == alone


async def test_a_batch_of_roles_on_little_memory_equals_each_request_alone(
    engines: Engines,
) -> None:
    # Answers to the long ones need a third block of KV cache, of which there are ten.
    dice = Random(0)
    bodies = texts(2) + [[dice.randrange(70, VOCABULARY) for _ in range(250)] for _ in range(2)]
    roles = ("routed", "units", "geography", "router", "logic-and-router")
    prompts = [[role_token(ROUTE_ROLES, role), *body] for role in roles for body in bodies]
    alone = [await engines.follow("route", prompt) for prompt in prompts]
    assert len({str(answer) for answer in alone}) > len(prompts) // 2  # Roles do differ.

    order = dice.sample(range(len(prompts)), len(prompts))
    before = engines.preemptions()
    together = await asyncio.gather(*(engines.follow("tight-route", prompts[i]) for i in order))

    assert together == [alone[i] for i in order]
    assert engines.preemptions() > before

    for prompt, answer in zip(prompts[-8:], alone[-8:], strict=True):
        assert await engines.follow("tight-route", prompt) == answer
        again = await engines.complete("tight-route", prompt)
        assert again["choices"][0]["token_ids"] == answer
        cached = (again["usage"]["prompt_tokens_details"] or {}).get("cached_tokens", 0)
        assert cached == len(prompt) // BLOCK * BLOCK


@pytest.fixture(scope="module")
def route(folders: dict[str, Path]) -> FusionRouteReference:
    return FusionRouteReference(folders["route"])


@pytest.mark.parametrize("role", ["routed", "experts", "router", "logic-and-router", "duo"])
async def test_log_probabilities_are_those_of_the_reference(
    engines: Engines, route: FusionRouteReference, role: str
) -> None:
    for text in texts(3):
        tokens = [role_token(ROUTE_ROLES, role), *text]
        expected = route.logits(tokens)[-1].log_softmax(-1)
        found = await engines.log_probs("route", tokens)

        roles = slice(FIRST_ROLE, FIRST_ROLE + len(ROUTE_ROLES))
        assert (found[roles] <= -9000).all()
        found[roles] = expected[roles] = -9999
        assert not found.isnan().any()
        assert worst_error(found, expected) < 1e-3


async def test_a_text_is_scored_as_by_the_reference(
    engines: Engines, route: FusionRouteReference
) -> None:
    tokens = [FIRST_ROLE, *texts(1)[0]]
    scored = await engines.complete("route", tokens, echo=True, logprobs=0, max_tokens=1)
    found = scored["choices"][0]["logprobs"]["token_logprobs"][1 : len(tokens)]
    expected = route.logits(tokens).log_softmax(-1)[range(len(tokens) - 1), tokens[1:]]

    assert worst_error(torch.tensor(found), expected) < 1e-3


async def test_greedy_answers_are_those_of_the_reference(
    engines: Engines, route: FusionRouteReference
) -> None:
    for text in texts(4):
        tokens = [FIRST_ROLE, *text]
        answer = await engines.follow("route", tokens)

        assert answer == chosen_by(route, tokens, answer)


async def test_a_client_can_read_who_spoke_also_in_a_stream(
    engines: Engines, route: FusionRouteReference
) -> None:
    question = [{"role": "user", "content": "How many metres are 3 kilometres?"}]
    ask = {"messages": question, "logprobs": True, "temperature": 0, "max_tokens": 8}
    ask |= {"extra_body": {"logprob_token_ids": [FIRST_ROLE], "ignore_eos": True}}
    prompt = (await engines.post("route", "/tokenize", {"messages": question})).json()["tokens"]
    answer = route.greedy(prompt, 8)
    expected = route.speakers([*prompt, *answer])[len(prompt) - 1 : -1]
    assert len(set(expected)) > 1

    async with AsyncOpenAI(base_url=f"{engines.url}/e/route/v1", api_key="none") as client:
        whole = await client.chat.completions.create(model="route", **ask)
        stream = await client.chat.completions.create(model="route", stream=True, **ask)
        pieces = [chunk.choices[0].logprobs async for chunk in stream if chunk.choices]

    streamed = [token for piece in pieces if piece for token in piece.content]
    for tokens in (whole.choices[0].logprobs.content, streamed):
        named = [
            speaker(other.logprob, EXPERTS)
            for token in tokens
            for other in token.top_logprobs
            if other.token == "<|role_0|>"
        ]
        assert named == expected


async def test_the_role_is_chosen_by_name_and_an_unknown_one_is_refused(engines: Engines) -> None:
    question = {"messages": [{"role": "user", "content": "How many metres are 3 kilometres?"}]}

    def asking(role: Any) -> dict[str, Any]:
        kwargs = {"chat_template_kwargs": {"role": role}}
        return {**question, **kwargs, "temperature": 0, "max_tokens": 16}

    units = await engines.post("route", "/v1/chat/completions", asking("units"))
    prompt = (await engines.post("route", "/tokenize", question)).json()["tokens"]
    unknown = await engines.post("route", "/v1/chat/completions", asking("unit"))
    odd = await engines.post("route", "/v1/chat/completions", asking([1]))

    assert units.json()["choices"][0]["message"]["content"] == "3000"
    assert prompt[0] == FIRST_ROLE
    assert BOS not in prompt
    assert unknown.status_code == 400
    assert "There is no role unit; the roles are: routed, " in unknown.json()["error"]["message"]
    assert odd.status_code == 400


async def test_a_role_token_in_the_text_changes_no_role(engines: Engines) -> None:
    (text,) = texts(1)
    other = role_token(ROUTE_ROLES, "logic")
    for place in (1, len(text) // 2, len(text)):
        spiked = [*text[:place], other, *text[place:]]
        alone = await engines.follow("units", [BOS, *spiked])

        role = role_token(ROUTE_ROLES, "units")
        assert await engines.follow("route", [role, *spiked]) == alone
        named = await engines.complete(
            "route", [role, *spiked], logprobs=1, logprob_token_ids=[FIRST_ROLE]
        )
        marks = [top["<|role_0|>"] for top in named["choices"][0]["logprobs"]["top_logprobs"]]
        assert {speaker(mark, EXPERTS) for mark in marks} == {"units"}


async def test_a_prompt_without_a_role_token_has_the_first_role(engines: Engines) -> None:
    # After another role has used the same blocks.
    (text,) = texts(1)
    await engines.follow("route", [role_token(ROUTE_ROLES, "logic"), *text])

    assert await engines.follow("route", [BOS, *text]) == await engines.follow(
        "route", [FIRST_ROLE, *text]
    )


async def test_role_tokens_are_never_sampled(engines: Engines) -> None:
    roles = range(FIRST_ROLE, FIRST_ROLE + len(ROUTE_ROLES))
    sampled = await engines.sampled("route", roles)

    assert len(sampled) > 50
    assert not sampled & set(roles)


async def test_n_seed_stop_and_streaming_work(engines: Engines) -> None:
    prompt = [FIRST_ROLE, *texts(1)[0]]
    hot = {"temperature": 1.0, "seed": 3, "n": 3}
    first, second = [await engines.complete("route", prompt, **hot) for _ in range(2)]
    answers = [[choice["token_ids"] for choice in one["choices"]] for one in (first, second)]
    assert answers[0] == answers[1]
    assert len({str(answer) for answer in answers[0]}) > 1

    greedy = await engines.complete("route", prompt)
    whole = greedy["choices"][0]
    stopped = await engines.complete("route", prompt, stop_token_ids=[whole["token_ids"][5]])
    assert stopped["choices"][0]["finish_reason"] == "stop"
    assert len(stopped["choices"][0]["token_ids"]) <= 6

    async with AsyncOpenAI(base_url=f"{engines.url}/e/route/v1", api_key="none") as client:
        stream = await client.completions.create(
            model="route", prompt=prompt, temperature=0, max_tokens=ANSWER, stream=True,
            extra_body={"ignore_eos": True},
        )  # fmt: skip
        text = "".join([c.choices[0].text async for c in stream if c.choices])
    assert text == whole["text"]
