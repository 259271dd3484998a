"""Other people's evaluation harnesses over the zoo, run by their own command lines."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from repository import ROOT

from orchestrator.service import Service

pytestmark = pytest.mark.e2e

HARNESS = ROOT / ".venv-harness"
FOLDER = ROOT / "tests" / "e2e" / "harness"
TOKENIZER = ROOT / "experts" / "zoo" / "weights" / "arithmetic"
PATIENCE_S = 280
Samples = dict[str, dict[str, Any]]
"""What lm-evaluation-harness wrote of each question, by the question's id."""


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    if not (HARNESS / ".ready").is_file():
        pytest.skip(f"there is no {HARNESS.name}: run `make harness` (half a gigabyte)")


async def run(place: Path, program: str, *arguments: str) -> str:
    """What a harness prints, run in the folder of the tasks; its caches and logs are in `place`."""
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(place / "hf")}
    process = await asyncio.create_subprocess_exec(
        str(HARNESS / "bin" / program),
        *arguments,
        cwd=FOLDER,
        env={**os.environ, **offline},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    text = said.decode(errors="replace")
    assert process.returncode == 0, text[-4000:]
    return text


async def lm_eval(place: Path, kind: str, task: str, *options: str, **settings: Any) -> Samples:
    """One run of lm-evaluation-harness; `settings` are its model's arguments."""
    told = ",".join(f"{name}={value}" for name, value in settings.items())
    out = place / "out"
    arguments = ["--model", kind, "--model_args", told, "--include_path", ".", "--tasks", task]
    arguments += ["--output_path", str(out), "--log_samples", *options]
    await run(place, "lm_eval", *arguments)
    (samples,) = out.rglob(f"samples_{task}_*.jsonl")
    rows = map(json.loads, samples.read_text(encoding="utf-8").splitlines())
    return {row["doc"]["id"]: row for row in rows}


def accuracy(samples: Samples, metric: str, skill: str = "") -> float:
    scores = [row[metric] for row in samples.values() if row["doc"]["skill"].startswith(skill)]
    return sum(scores) / len(scores)


def likelihoods(samples: Samples) -> list[float]:
    return [float(said[0]) for row in samples.values() for said in row["filtered_resps"]]


async def test_likelihoods_of_an_expert_do_not_depend_on_the_batch(
    service: Service, tmp_path: Path
) -> None:
    async def scored(batch: int) -> Samples:
        place = tmp_path / str(batch)
        url = f"{service.base_url}/e/arithmetic/v1/completions"
        settings = {"model": "arithmetic", "base_url": url}
        size = ("--batch_size", str(batch))
        return await lm_eval(place, "local-completions", "zoo_choice", *size, **settings)

    alone, together = await asyncio.gather(scored(1), scored(8))
    assert len(alone) == 48
    assert [row["acc"] for row in alone.values()] == [row["acc"] for row in together.values()]
    assert likelihoods(alone) == pytest.approx(likelihoods(together), abs=1e-4)
    assert accuracy(alone, "acc", "arithmetic") >= 0.9
    assert accuracy(alone, "acc") < 0.7


async def test_a_mixture_of_experts_is_scored_like_a_model(
    service: Service, tmp_path: Path
) -> None:
    samples = await lm_eval(
        tmp_path,
        "local-completions",
        "zoo_choice",
        *("--batch_size", "8"),
        model="pool/knn+mixture",
        base_url=f"{service.base_url}/v1/completions",
        tokenizer=TOKENIZER,
    )
    assert accuracy(samples, "acc") >= 0.8
    assert any(said[1] == "True" for row in samples.values() for said in row["filtered_resps"])


async def test_a_generation_task_over_the_routed_pool(service: Service, tmp_path: Path) -> None:
    samples = await lm_eval(
        tmp_path,
        "local-chat-completions",
        "zoo_answer",
        "--apply_chat_template",
        model="pool/auto",
        base_url=f"{service.base_url}/v1/chat/completions",
        num_concurrent=8,
    )
    assert len(samples) == 48
    assert accuracy(samples, "exact_match") >= 0.85


async def inspect(place: Path, service: Service, model: str, *options: str) -> None:
    """One run of inspect_ai, which answers and scores all questions."""
    await run(
        place,
        "inspect",
        *("eval", "inspect_zoo.py", "--model", model, *options),
        *("--model-base-url", f"{service.base_url}/v1", "-M", "api_key=none"),
        *("--temperature", "0", "--max-tokens", "32", "--display", "plain"),
        *("--log-format", "json", "--log-dir", str(place / "logs")),
    )
    (file,) = (place / "logs").glob("*.json")
    log = json.loads(file.read_text(encoding="utf-8"))
    assert log["status"] == "success"
    assert log["results"]["completed_samples"] == 48
    (score,) = log["results"]["scores"]
    assert score["metrics"]["mean"]["value"] >= 0.85


async def test_inspect_runs_over_the_routed_pool(service: Service, tmp_path: Path) -> None:
    await inspect(tmp_path, service, "openai-api/coterie/pool/auto")


async def test_inspect_sends_batches(service: Service, tmp_path: Path) -> None:
    settings = tmp_path / "batch.json"
    settings.write_text(json.dumps({"size": 48, "send_delay": 1, "tick": 1}))
    options = ("-M", "responses_api=false", "--batch", str(settings))
    await inspect(tmp_path, service, "openai/pool/auto", *options)
