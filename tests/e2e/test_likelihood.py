"""Texts that several experts of the zoo score together, on the real engine."""

import json
import math
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.e2e

MIXTURE = "pool/knn+mixture"
EXPERTS = ("arithmetic", "strings", "units", "logic", "geography", "duo")
SUM = "<|bos|><|user|>What is 12 + 35?<|assistant|>47"


async def score(http: httpx.AsyncClient, model: str, prompt: Any, **body: Any) -> Any:
    asked = {"model": model, "prompt": prompt, "echo": True, "logprobs": 5, "temperature": 0}
    answer = await http.post("/v1/completions", json={**asked, "max_tokens": 1, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_mixture_is_the_mean_of_what_the_experts_say(http: httpx.AsyncClient) -> None:
    mixed = (await score(http, MIXTURE, SUM, coterie={"explain": True}))["choices"][0]["logprobs"]
    alone = [
        (await score(http, expert, SUM))["choices"][0]["logprobs"]["token_logprobs"]
        for expert in EXPERTS
    ]
    assert mixed["token_logprobs"][0] is None
    for place, value in enumerate(mixed["token_logprobs"][1:-1], start=1):
        mean = sum(math.exp(one[place]) for one in alone) / len(alone)
        assert value == pytest.approx(math.log(mean), abs=1e-3)
        assert mixed["top_logprobs"][place][mixed["tokens"][place]] == value


async def test_texts_and_token_ids_in_batches_are_the_same(http: httpx.AsyncClient) -> None:
    asked = {"prompt": SUM, "add_special_tokens": False}
    ids = (await http.post("/e/arithmetic/tokenize", json=asked)).json()["tokens"]
    told = {"max_tokens": 0, "add_special_tokens": False}
    (text,) = (await score(http, MIXTURE, SUM, **told))["choices"]
    (tokens,) = (await score(http, MIXTURE, ids, **told))["choices"]
    batch = (await score(http, MIXTURE, [ids, [*ids, ids[-1]]], **told))["choices"]
    assert [choice["index"] for choice in batch] == [0, 1]
    assert len(text["logprobs"]["tokens"]) == len(ids)
    for other in (tokens, batch[0]):
        assert other["logprobs"]["tokens"] == text["logprobs"]["tokens"]
        assert other["logprobs"]["token_logprobs"][1:] == pytest.approx(
            text["logprobs"]["token_logprobs"][1:], abs=1e-3
        )


async def test_it_goes_on_with_the_most_probable_token(http: httpx.AsyncClient) -> None:
    prompt = SUM.removesuffix("7")
    answer = await score(http, MIXTURE, prompt, coterie={"experts": ["arithmetic", "logic"]})
    assert answer["choices"][0]["logprobs"]["tokens"][-1] == "7"
    assert answer["coterie"]["usage"].keys() == {"arithmetic", "logic"}
    assert json.dumps(answer["choices"]).count("NaN") == 0


async def test_experts_with_different_tokenizers_are_named(http: httpx.AsyncClient) -> None:
    body = {"model": "pool/knn+likelihood", "prompt": SUM, "echo": True, "logprobs": 1}
    answer = await http.post("/v1/completions", json={**body, "max_tokens": 0})
    assert answer.status_code == 400
    message = answer.json()["error"]["message"]
    assert "translation read the prompt as different tokens" in message
    assert "Experts arithmetic and" in message


async def test_the_first_of_a_context_that_is_too_long_is_named(http: httpx.AsyncClient) -> None:
    body = {"model": MIXTURE, "prompt": "7" * 5000, "echo": True, "logprobs": 1, "max_tokens": 0}
    error = (await http.post("/v1/completions", json=body)).json()["error"]
    assert error["code"] == "context_length_exceeded"
    assert error["source"] in EXPERTS
