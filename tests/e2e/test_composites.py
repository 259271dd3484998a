"""Composite models in the real engine: their members, roles and logits, in one engine process."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
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
from openai import AsyncOpenAI
from transformers import (
    AutoModelForCausalLM,
    OlmoeConfig,
    PreTrainedConfig,
    Qwen2MoeConfig,
    Qwen3MoeConfig,
)

from aggregators.contrast.reference import ContrastReference
from aggregators.self_contrast.reference import SelfContrastReference
from experts.fused.composites.fusion_route.speaker import speaker
from experts.fused.folder.folder_config import read
from experts.fused.folder.own_weights import TrainedRoute
from experts.fused.folder.write import TOKENIZER_FILES, write_composite
from routers.fusion_route.reference import FusionRouteReference

pytestmark = pytest.mark.e2e

EXPERTS = ("arithmetic", "strings", "units", "geography", "logic", "duo")
"""Llama, Qwen2, Qwen3, GPT-NeoX, Gemma and Mixtral, with five shapes of the KV cache."""
ROUTER = "generalist"

ROUTE_ROLES: Sequence[Mapping[str, Any]] = (
    {"name": "routed"},
    *({"name": name, "expert": name, "router_logits": False} for name in EXPERTS),
    {"name": "experts", "router_logits": False},
    {"name": "router", "expert": "none"},
    {"name": "logic-and-router", "expert": "logic"},
)
CONTRAST_ROLES: Sequence[Mapping[str, Any]] = (
    {"name": "plain", "plus": "units"},
    {"name": "contrast", "plus": "generalist", "minus": [["generalist", "logic"], 0.5],
     "alpha": 0.1},
    {"name": "proxy", "plus": "generalist", "minus": [["units", "logic"], 1.0]},
)  # fmt: skip
SELF_ROLES: Sequence[Mapping[str, Any]] = (
    {"name": "plain", "beta": 0},
    {"name": "second", "beta": 0.5, "alpha": 0.1, "rank": 2},
    {"name": "third", "beta": 0.5, "alpha": 0.1, "rank": 3},
    {"name": "first", "beta": 0.9, "alpha": 0, "rank": 1},
)

_SHAPE = {
    "hidden_size": 64,
    "intermediate_size": 64,
    "moe_intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "num_experts_per_tok": 2,
    "num_experts": 5,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "max_position_embeddings": 512,
    "tie_word_embeddings": False,
    "initializer_range": 0.2,
    "decoder_sparse_step": 1,
}
MIXTURES: Mapping[str, tuple[type[PreTrainedConfig], dict[str, Any]]] = {
    "qwen2-moe": (
        Qwen2MoeConfig,
        {"shared_expert_intermediate_size": 64, "norm_topk_prob": False},
    ),
    "qwen3-moe": (Qwen3MoeConfig, {"head_dim": 32, "norm_topk_prob": True}),
    "olmoe": (OlmoeConfig, {"num_key_value_heads": 2, "norm_topk_prob": False}),
}
"""Gates with and without shared experts, that share out 1 or not."""

TOKEN_BYTES = {"route": 16384, "self": 3072}


def write_all(root: Path) -> dict[str, Path]:
    """Write every fused folder; name -> folder."""
    torch.manual_seed(0)
    head = torch.randn(len(EXPERTS), 160)
    folders = {name: root / name for name in ("route", "contrast", "self", *MIXTURES)}
    write_composite(
        folders["route"],
        "CoterieFusionRoute",
        {name: ZOO / name for name in EXPERTS},
        ROUTE_ROLES,
        TrainedRoute(ZOO / ROUTER, head),
    )
    members = {name: ZOO / name for name in ("units", "generalist", "logic")}
    write_composite(folders["contrast"], "CoterieContrast", members, CONTRAST_ROLES)
    write_composite(folders["self"], "CoterieSelfContrast", {"duo": ZOO / "duo"}, SELF_ROLES)
    for name in MIXTURES:
        mixture = write_mixture(root / f"{name}-alone", name)
        write_composite(folders[name], "CoterieSelfContrast", {name: mixture}, SELF_ROLES)
    return folders


def write_mixture(folder: Path, name: str) -> Path:
    """Write a random mixture of experts with the zoo's tokenizer."""
    kind, settings = MIXTURES[name]
    config = kind(vocab_size=741, **{**_SHAPE, **settings})
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    for file in (*TOKENIZER_FILES, "chat_template.jinja"):
        if (ZOO / "duo" / file).is_file():
            shutil.copyfile(ZOO / "duo" / file, folder / file)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_all(tmp_path_factory.mktemp("composites"))


@pytest.fixture(scope="module")
def server(folders: dict[str, Path]) -> Iterator[Server]:
    loads = {name: loose(path) for name, path in folders.items()}
    loads |= {name: loose(ZOO / name) for name in EXPERTS}
    loads |= {f"tight-{name}": tight(folders[name], size) for name, size in TOKEN_BYTES.items()}
    with serving(loads) as started:
        yield started


@pytest.fixture(scope="module")
async def engines(server: Server, folders: dict[str, Path]) -> AsyncIterator[Engines]:
    async with httpx.AsyncClient(timeout=60) as client:
        yield Engines(server, client, folders)


def role_token(roles: Sequence[Any], name: str) -> int:
    return FIRST_ROLE + [role["name"] for role in roles].index(name)


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


@pytest.mark.parametrize("name", ["route", "contrast", "self"])
async def test_role_tokens_are_never_sampled(engines: Engines, name: str) -> None:
    roles = len(read(engines.folders[name]).roles)
    hot = {"temperature": 2.0, "max_tokens": 32, "n": 12, "seed": 1}
    answers = await asyncio.gather(
        *(engines.complete(name, [FIRST_ROLE + role, *texts(1)[0]], **hot) for role in range(roles))
    )
    sampled = {
        token for answer in answers for one in answer["choices"] for token in one["token_ids"]
    }

    assert len(sampled) > 50
    assert not sampled & set(range(FIRST_ROLE, FIRST_ROLE + roles))


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


@pytest.mark.parametrize("role", [role["name"] for role in CONTRAST_ROLES])
async def test_contrast_is_the_reference(engines: Engines, role: str) -> None:
    reference = ContrastReference(engines.folders["contrast"])
    for text in texts(4):
        tokens = [role_token(CONTRAST_ROLES, role), *text]
        expected = reference.logits(tokens)[-1].log_softmax(-1).clamp(min=-9999)
        found = await engines.log_probs("contrast", tokens)

        answer = await engines.follow("contrast", tokens)

        assert worst_error(found, expected) < 1e-3
        assert answer == chosen_by(reference, tokens, answer)


async def test_contrast_keeps_to_a_grammar_that_allows_only_implausible_tokens(
    engines: Engines,
) -> None:
    role = role_token(CONTRAST_ROLES, "contrast")
    words = {"structured_outputs": {"choice": ["zebra", "quagga"]}, "ignore_eos": False}
    for text in texts(3):
        answer = await engines.complete("contrast", [role, *text], **words)

        assert answer["choices"][0]["text"] in ("zebra", "quagga")


async def test_self_contrast_without_contrast_is_the_model(engines: Engines) -> None:
    for text in texts(6):
        alone = await engines.follow("duo", [BOS, *text])

        assert await engines.follow("self", [FIRST_ROLE, *text]) == alone


@pytest.mark.parametrize("name", ["self", *MIXTURES])
async def test_self_contrast_is_the_reference(engines: Engines, name: str) -> None:
    reference = SelfContrastReference(engines.folders[name])
    answers = set()
    for number in range(len(SELF_ROLES)):
        for text in texts(3):
            tokens = [FIRST_ROLE + number, *text]
            expected = reference.logits(tokens)[-1].log_softmax(-1).clamp(min=-9999)
            found = await engines.log_probs(name, tokens)
            answer = await engines.follow(name, tokens)

            assert worst_error(found, expected) < 1e-3
            assert answer == chosen_by(reference, tokens, answer)
            answers.add(str(answer))
    assert len(answers) > 3  # Contrast changes something.


async def test_self_contrast_of_a_batch_on_little_memory_equals_each_request_alone(
    engines: Engines,
) -> None:
    dice = Random(1)
    bodies = texts(2) + [[dice.randrange(70, VOCABULARY) for _ in range(250)] for _ in range(2)]
    prompts = [[FIRST_ROLE + n, *body] for n in range(len(SELF_ROLES)) for body in bodies]
    alone = [await engines.follow("self", prompt) for prompt in prompts]
    before = engines.preemptions()
    for _ in range(2):
        together = await asyncio.gather(*(engines.follow("tight-self", p) for p in prompts))

        assert together == alone
    assert engines.preemptions() > before
