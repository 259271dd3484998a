"""A real pretrained model, and adapters on it, answer what plain transformers and peft answer."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from peft import PeftModel
from service_process import serving
from transformers import AutoModelForCausalLM, AutoTokenizer

from evals.tasks.task import load_tasks
from experts.real.places import ADAPTERS, MODEL, TASKS
from experts.real.recipe import RECIPES
from experts.zoo.train import chat_prompt

pytestmark = [pytest.mark.e2e, pytest.mark.real]
FIRST_ANSWER_S = 60
SLOT_GB = 2.5
MAX_TOKENS = 24
END = 2
PROMPTS = (
    "What is the capital of France?",
    "Name three colours of the rainbow.",
    "Write a sentence about the sea.",
    "Why is the sky blue?",
    "How do plants make food?",
    "What does a carpenter do?",
    "Explain gravity to a child.",
    "Translate 'good morning' into Spanish.",
    "What is 7 + 5?",
    "Who wrote Romeo and Juliet?",
    "List two uses of a hammer.",
    "Give me a title for a story about a lost dog.",
    "What is the opposite of 'cold'?",
    "Describe a good friend in one sentence.",
    "Write a Python function that adds two numbers.",
    "What happens when water freezes?",
    "Is the sun a star?",
    "Wie heißt die Hauptstadt von Österreich?",
    "Summarise in one sentence: " + "The cat sat on the mat and looked at the rain. " * 12,
    "Complete the proverb: 'Too many cooks'",
)
Json = dict[str, Any]


def require_model() -> Path:
    """The folder of the model; the test is skipped where `make real` has not made it."""
    if not (MODEL / "config.json").is_file():
        pytest.skip(f"there is no {MODEL}: run `make real` (a download of 93 MB)")
    return MODEL


class PlainTransformers:
    """Greedy answers in float32, one question at a time, with or without an adapter of ours."""

    def __init__(self, adapter: str | None = None) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(MODEL)
        self.model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
        if adapter is not None:
            self.model = PeftModel.from_pretrained(self.model, ADAPTERS / adapter)

    @torch.no_grad()
    def answer(self, question: str, max_tokens: int) -> list[int]:
        """The tokens of the answer, without the one that ends it."""
        prompt = chat_prompt(self.tokenizer, question)
        encoded = self.tokenizer(prompt, add_special_tokens=False, return_tensors="pt")
        said = self.model.generate(**encoded, max_new_tokens=max_tokens, do_sample=False)
        tokens: list[int] = said[0, encoded["input_ids"].shape[1] :].tolist()
        return without_end(tokens, self.tokenizer.eos_token_id)


def without_end(tokens: list[int], end: int) -> list[int]:
    """An answer's tokens without the one that ends it."""
    return tokens[:-1] if tokens and tokens[-1] == end else tokens


# First in the file: the service of the other tests would share the cores with it.
async def test_four_lines_answer_within_a_minute(tmp_path: Path) -> None:
    config = {
        "version": 1,
        "experts": {"smollm2": {"type": "vllm", "model": str(require_model())}},
    }
    began = time.monotonic()
    async with serving(tmp_path, config) as (_, url), httpx.AsyncClient(timeout=120) as client:
        body = {"model": "smollm2", "messages": [{"role": "user", "content": PROMPTS[0]}]}
        answer = await client.post(f"{url}/v1/chat/completions", json={**body, "temperature": 0})
        seconds = time.monotonic() - began
    assert answer.status_code == 200, answer.text
    assert "Paris" in answer.json()["choices"][0]["message"]["content"]
    assert seconds < FIRST_ANSWER_S


def pool(model: Path) -> Json:
    """The model and its adapters at a context of 2,048 tokens, in float32."""
    adapters = {
        name: {"type": "vllm", "model": str(ADAPTERS / name), "adapter_of": "smollm2"}
        for name in RECIPES
    }
    arguments = {"dtype": "float32", "max_model_len": 2048, "kv_cache_memory_bytes": 256 << 20}
    base = {"type": "vllm", "model": str(model), "engine_args": arguments}
    return {"version": 1, "experts": {"smollm2": base, **adapters}}


@pytest.fixture(scope="module")
async def http(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    config = pool(require_model())
    async with (
        serving(tmp_path_factory.mktemp("real"), config) as (_, url),
        httpx.AsyncClient(base_url=url, timeout=120) as client,
    ):
        yield client


async def ask(
    http: httpx.AsyncClient, expert: str, question: str, max_tokens: int = MAX_TOKENS
) -> list[int]:
    body = {
        "model": expert,
        "messages": [{"role": "user", "content": question}],
        "temperature": 0,
        "max_tokens": max_tokens,
        "return_token_ids": True,
    }
    answer = await http.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    return without_end(answer.json()["choices"][0]["token_ids"], END)


async def ask_all(
    http: httpx.AsyncClient, expert: str, questions: Sequence[str], in_flight: int
) -> list[list[int]]:
    places = asyncio.Semaphore(in_flight)

    async def one(question: str) -> list[int]:
        async with places:
            return await ask(http, expert, question)

    return await asyncio.gather(*map(one, questions))


@pytest.fixture(scope="module")
def expected() -> list[list[int]]:
    require_model()
    plain = PlainTransformers()
    return [plain.answer(prompt, MAX_TOKENS) for prompt in PROMPTS]


@pytest.mark.parametrize("in_flight", [1, 16])
async def test_greedy_answers_are_those_of_plain_transformers(
    http: httpx.AsyncClient, expected: list[list[int]], in_flight: int
) -> None:
    assert await ask_all(http, "smollm2", PROMPTS, in_flight) == expected


@pytest.mark.parametrize("adapter", RECIPES)
async def test_an_adapter_answers_what_it_answers_in_peft(
    http: httpx.AsyncClient, adapter: str
) -> None:
    samples = load_tasks((adapter,), TASKS)[adapter].samples("test")
    questions = [sample.question for sample in samples[:20]]
    plain = PlainTransformers(adapter)
    expected = [plain.answer(question, MAX_TOKENS) for question in questions]
    assert await ask_all(http, adapter, questions, in_flight=16) == expected


async def test_the_slot_stays_small_at_two_thousand_tokens(http: httpx.AsyncClient) -> None:
    # Every expert has been loaded once an adapter has answered.
    await ask(http, "problems", PROMPTS[0])
    (slot,) = (await http.get("/coterie/pool")).json()["slots"]
    assert slot["memory_gb"] < SLOT_GB
