"""One Ray slot through the whole service: experts that take turns, and the gateway's own cost."""

import statistics
import time
from pathlib import Path
from typing import Any

import httpx
import yaml

from deploy.gpu_check.random_models import CONTEXT, MEMBERS, folder_of
from deploy.gpu_check.rig import ZOO, Failure, Found, Rig
from evals.benchmarks.gateway.bench import summarize
from evals.client.load import LoadClient, load_client, target
from orchestrator.config.model import load_config
from orchestrator.service import Service, start_service

SPECIALIST, LARGE = "arithmetic", "large"
QUESTIONS = tuple(f"What is {number} + 17?" for number in range(64))
IN_FLIGHT, REQUESTS, TOKENS = 64, 256, 64
ROUNDS = {True: 3, False: 1}
"""A rehearsal's figures say nothing."""
IDLE_PAIRS = 40
TIMEOUT_S = 120.0


async def run(rig: Rig) -> Found:
    """Start the service, let the experts take turns, and measure the gateway."""
    events: list[str] = []

    def hear(event: str) -> None:
        events.append(event)
        print(event, flush=True)

    settings = load_config(_write_config(rig))
    started = time.perf_counter()
    service = await start_service(settings, on_event=hear, host="127.0.0.1", port=0)
    start_s = time.perf_counter() - started
    try:
        figures: dict[str, Any] = {"start_s": round(start_s, 1)}
        figures["turns"] = await _take_turns(service)
        async with load_client() as client:
            figures["gateway"] = await _beside(client, service, ROUNDS[rig.cuda])
        figures["pool"] = await _get(service, "/coterie/pool")
    finally:
        await service.stop()
    figures["events"] = events
    _judge(rig, figures)
    turns, gateway = figures["turns"], figures["gateway"]
    return Found(
        f"first answers in {turns[0]['seconds']:.1f} s and {turns[1]['seconds']:.1f} s, when they"
        f" come back {turns[2]['seconds']:.2f} s and {turns[3]['seconds']:.2f} s; gateway"
        f" {gateway['percent']:.0f} % of the endpoint's throughput, {gateway['added_ms']:+.2f} ms"
        " to the first token",
        figures,
    )


def _write_config(rig: Rig) -> Path:
    """Two experts of which the slot fits one, and what the other keeps while it sleeps."""
    one_gb, slot_gb = (5.0, 7.5) if rig.cuda else (1.0, 2.6)
    # Dtype, KV cache and share of the GPU are what the service derives.
    args: dict[str, Any] = {"max_model_len": CONTEXT, "max_num_seqs": 64, "enforce_eager": True}
    models = {SPECIALIST: ZOO / SPECIALIST, LARGE: folder_of(rig, MEMBERS[0])}
    experts = {
        name: {"type": "vllm", "model": str(model), "memory_gb": one_gb}
        for name, model in models.items()
    }
    slots = {"gpus": int(rig.cuda), "memory_gb": slot_gb, "preload": False,
             "engine_args": args}  # fmt: skip
    path = rig.work / "service.yaml"
    content = {"version": 1, "experts": experts, "slots": slots}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


async def _take_turns(service: Service) -> list[dict[str, Any]]:
    turns = []
    async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as http:
        for name in (SPECIALIST, LARGE, SPECIALIST, LARGE):
            body = {"model": name, "messages": [{"role": "user", "content": "What is 25 + 17?"}],
                    "temperature": 0, "max_tokens": 16}  # fmt: skip
            started = time.perf_counter()
            response = await http.post(f"{service.base_url}/v1/chat/completions", json=body)
            seconds = time.perf_counter() - started
            if response.status_code != 200:
                raise Failure(f"{name} answers {response.status_code}: {response.text[:300]}")
            text = response.json()["choices"][0]["message"]["content"]
            turns.append({"expert": name, "seconds": round(seconds, 3), "answer": text})
    return turns


async def _beside(client: LoadClient, service: Service, rounds: int) -> dict[str, float]:
    """The large expert through the gateway and at its own endpoint, which take turns."""
    endpoint = service.expert_base_url(LARGE)
    if endpoint is None:
        raise Failure(f"{LARGE} has left its slot")
    urls = {"endpoint": endpoint, "gateway": f"{service.base_url}/v1"}

    def side(name: str, tokens: int) -> dict[str, Any]:
        return target(urls[name], LARGE, QUESTIONS, stream=True, max_tokens=tokens)

    async def rate(name: str) -> float:
        job = {"targets": [side(name, TOKENS)], "in_flight": IN_FLIGHT, "requests": REQUESTS}
        return summarize(await client.run(job)).tokens_per_s

    for name in urls:  # To warm up.
        await rate(name)
    pairs = [(await rate("endpoint"), await rate("gateway")) for _ in range(rounds)]
    both = [side(name, 2) for name in urls]
    idle = await client.run({"targets": both, "in_flight": 1, "requests": 2 * IDLE_PAIRS})
    first = [exchange["first_s"] for exchange in idle["exchanges"]]
    gaps = [gateway - own for own, gateway in zip(first[::2], first[1::2], strict=True)]
    return {
        "percent": round(100 * statistics.median(g / e for e, g in pairs), 1),
        "endpoint_tokens_per_s": round(statistics.median(e for e, _ in pairs), 1),
        "gateway_tokens_per_s": round(statistics.median(g for _, g in pairs), 1),
        "added_ms": round(1000 * statistics.median(gaps), 3),
    }


async def _get(service: Service, path: str) -> Any:
    async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as http:
        return (await http.get(f"{service.base_url}{path}")).json()


def _judge(rig: Rig, figures: dict[str, Any]) -> None:
    """Raise Failure where experts did not take turns or did not stay themselves."""
    answers = [turn["answer"] for turn in figures["turns"]]
    if answers[:2] != answers[2:]:
        raise Failure(f"another answer after it came back: {answers}", figures)
    if "42" not in answers[0]:
        raise Failure(f"{SPECIALIST} says that 25 + 17 is {answers[0]!r}", figures)
    loads = {name: entry["count"] for name, entry in figures["pool"]["loads"].items()}
    if any(count < 2 for count in loads.values()):
        raise Failure(f"the experts did not take turns: {loads} loads", figures)
