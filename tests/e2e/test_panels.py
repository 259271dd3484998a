"""Several experts of the zoo answer together, on the real engine."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI
from repository import ROOT

from evals.client.progress import Progress
from evals.fitting.cascade import cascade_of, fitted, measure, orders, print_found
from evals.fitting.probes import probes_of, request_of
from evals.reporting.table import make_console
from evals.tasks.task import load_tasks
from orchestrator.config.model import load_config
from orchestrator.service import Service

pytestmark = pytest.mark.e2e

ZOO = ROOT / "examples" / "zoo.yaml"
TOKYO = "What is the capital of Japan?"
SUM = "What is 12 + 35?"


async def ask(client: AsyncOpenAI, model: str, question: str = SUM, **options: Any) -> Any:
    messages: Any = [{"role": "user", "content": question}]
    return await client.chat.completions.create(
        model=model,
        messages=messages,
        temperature=0,
        max_tokens=32,
        extra_body={"coterie": {"explain": True, **options}},
    )


@pytest.mark.parametrize("aggregator", ["vote", "rank", "synthesize", "cascade", "strategy"])
async def test_every_aggregator_answers_over_the_zoo(client: AsyncOpenAI, aggregator: str) -> None:
    answer = await ask(client, f"pool/knn+{aggregator}")
    assert answer.choices[0].message.content == "47"
    assert answer.coterie["aggregator"] == aggregator
    assert answer.usage.completion_tokens == sum(
        used["completion_tokens"] for used in answer.coterie["usage"].values()
    )


@pytest.mark.parametrize("model", ["pool/vote", "pool/plurality", "pool/debate", "pool/cascade"])
async def test_the_zoos_own_panels_answer(client: AsyncOpenAI, model: str) -> None:
    assert (await ask(client, model)).choices[0].message.content == "47"


async def test_confidence_comes_from_the_engines_log_probabilities(client: AsyncOpenAI) -> None:
    answer = await ask(client, "pool/knn+cascade")
    (step,) = answer.coterie["aggregation"]["cascade"]
    assert step["expert"] == "arithmetic"
    assert 0.9 < step["confidence"] <= 1


async def test_a_debate_goes_through_its_rounds(client: AsyncOpenAI) -> None:
    answer = await ask(
        client, "pool/knn+debate", experts=["arithmetic", "geography"], budget={"calls": 6}
    )
    assert answer.coterie["aggregation"]["rounds"] >= 1
    assert answer.coterie["usage"].keys() == {"arithmetic", "geography"}
    assert answer.choices[0].message.content


async def test_two_sides_argue_before_a_judge(client: AsyncOpenAI) -> None:
    answer = await ask(
        client,
        "pool/knn+judged_debate",
        TOKYO,
        experts=["geography", "arithmetic", "generalist"],
        source="Tokyo has been the capital of Japan since 1868.",
    )
    told = answer.coterie["aggregation"]
    assert told["judge"] == "generalist"
    assert 0 <= told["probability"] <= 1


async def test_a_panel_of_samples_streams(http: httpx.AsyncClient) -> None:
    body = {
        "model": "pool/knn+synthesize",
        "messages": [{"role": "user", "content": TOKYO}],
        "max_tokens": 32,
        "temperature": 0,
        "stream": True,
        "coterie": {"experts": ["geography", "geography", "arithmetic"], "progress": "reasoning"},
    }
    answer = await http.post("/v1/chat/completions", json=body)
    events = [
        json.loads(line[6:]) for line in answer.text.split("\n\n") if line[6:].startswith("{")
    ]
    deltas = [event["choices"][0]["delta"] for event in events]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert any("3 of 3 answered" in delta.get("reasoning", "") for delta in deltas)
    assert "".join(delta.get("content", "") for delta in deltas).strip()
    assert events[-1]["coterie"]["usage"].keys() >= {"geography", "arithmetic"}
    assert events[-1]["coterie"]["calls"]["geography"] >= 2


async def test_thresholds_are_fitted_from_the_probe_questions(
    service: Service, tmp_path: Path
) -> None:
    settings = load_config(ZOO)
    keys = {"type": "cascade", "experts": ["arithmetic"], "last": "geography"}
    composition = settings.compositions["pool/auto"].model_copy(update={"aggregator": keys})
    settings = settings.model_copy(update={"compositions": {"pool/c": composition}})
    keys = cascade_of(settings, "pool/c")
    probes = probes_of(tuple(load_tasks(("arithmetic", "geography")).values()))[::4]
    requests = [request_of(probe) for probe in probes]
    ways = await asyncio.to_thread(orders, settings, "pool/c", keys, requests)
    console = make_console()
    with Progress(console) as progress:
        measured = await measure(service.base_url, settings, keys, ways, probes, requests, progress)
    found = fitted(keys, tmp_path / "t.json", measured, ways, None, 0.8)
    assert print_found(console, found) == 0
    assert found.fitted.accuracy >= 0.8 > found.last.accuracy
    assert found.names == ("arithmetic", "geography")
    assert 0.1 < found.fitted.shares[0] < 0.9
    written = json.loads((tmp_path / "t.json").read_text())
    assert written["experts"] == ["arithmetic", "geography"]
    assert 0 < written["accept"][0] <= 1
