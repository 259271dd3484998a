"""Engines in this process, as a slot holds them, and their answers to prompts of token numbers."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import httpx

from experts.vllm import environment
from experts.vllm.loads import EngineLoad, WorkerSettings

VOCABULARY = 741
"""Of the zoo's experts that share a tokenizer."""
FIRST_PLAIN = 70
"""The tokens before it are special."""
BOS = 1
ANSWER = 16
TIMEOUT_S = 120.0


class Engines:
    """A worker and what is resident in it."""

    def __init__(self, worker: Any, url: str, client: httpx.AsyncClient, cuda: bool) -> None:
        self.worker = worker
        self.url = url
        self.client = client
        self._cuda = cuda

    async def load(
        self,
        name: str,
        folder: Path,
        args: Mapping[str, Any],
        adapters: Mapping[str, str] | None = None,
        *,
        counts: bool = False,
    ) -> float:
        """Make a model resident; returns the seconds it took.

        One model of a process may keep the engine's statistics: it `counts`.
        """
        started = time.perf_counter()
        # The statistics of several engines would fight over one registry.
        given = {"disable_log_stats": not counts, **args}
        await self.worker.load(EngineLoad(name, str(folder), given, adapters or {}))
        seconds = time.perf_counter() - started
        print(f"{name} loaded in {seconds:.1f} s", flush=True)
        return seconds

    async def complete(self, name: str, tokens: Sequence[int], **fields: Any) -> dict[str, Any]:
        """A greedy completion of `tokens`, unless `fields` say otherwise."""
        body = {
            "model": name,
            "prompt": list(tokens),
            "temperature": 0,
            "max_tokens": ANSWER,
            "ignore_eos": True,
            "return_token_ids": True,
            **fields,
        }
        response = await self.client.post(f"{self.url}/e/{name}/v1/completions", json=body)
        if response.status_code != 200:
            raise RuntimeError(f"{name} answers {response.status_code}: {response.text[:500]}")
        answer: dict[str, Any] = response.json()
        return answer

    async def follow(self, name: str, tokens: Sequence[int]) -> list[int]:
        """The tokens of a greedy completion."""
        answer = await self.complete(name, tokens)
        found: list[int] = answer["choices"][0]["token_ids"]
        return found

    async def log_probs(self, name: str, tokens: Sequence[int]) -> list[float]:
        """Of every token of the vocabulary in the next place."""
        answer = await self.complete(
            name, tokens, max_tokens=1, logprobs=VOCABULARY, return_tokens_as_token_ids=True
        )
        (found,) = answer["choices"][0]["logprobs"]["top_logprobs"]
        numbers = [math.nan] * VOCABULARY
        for token, logprob in found.items():
            numbers[int(token.removeprefix("token_id:"))] = logprob
        return numbers

    async def metric(self, name: str, metric: str) -> float | None:
        """A counter of an engine that keeps statistics; None where it keeps none."""
        response = await self.client.get(f"{self.url}/e/{name}/metrics", follow_redirects=True)
        rows = [row for row in response.text.splitlines() if row.startswith(metric)]
        return sum(float(row.rpartition(" ")[2]) for row in rows) if rows else None


@asynccontextmanager
async def engines(cuda: bool, *, sleeps: bool = False) -> AsyncIterator[Engines]:
    """A worker that serves on this machine; whatever is resident at the end is dropped."""
    settings = WorkerSettings(1, cuda, sleeps, gather_ms=5)
    environment.prepare(settings)
    # Only now: vLLM reads the environment when it is imported.
    from experts.vllm.worker import Worker  # noqa: PLC0415

    worker = Worker(settings)
    port = await worker.serve("127.0.0.1")
    async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:
        yield Engines(worker, f"http://127.0.0.1:{port}", client, cuda)
        for name in tuple(worker.residents):
            async with asyncio.timeout(TIMEOUT_S):
                await worker.unload(name)


def sizes(cuda: bool, kv_bytes: int) -> dict[str, Any]:
    """Engine arguments for a small model beside others."""
    args: dict[str, Any] = {
        "max_model_len": 512,
        "max_num_seqs": 64,
        "kv_cache_memory_bytes": kv_bytes,
        "max_logprobs": VOCABULARY,
    }
    # Of a GPU, only checked to be free.
    return {**args, "gpu_memory_utilization": 0.05} if cuda else args


def exact(cuda: bool) -> dict[str, Any]:
    """Engine arguments for float32 without compiler and graphs."""
    args: dict[str, Any] = {"dtype": "float32", "enforce_eager": True}
    # FlashAttention knows no float32.
    return {**args, "attention_backend": "TRITON_ATTN"} if cuda else args


def texts(count: int, seed: int = 0, length: tuple[int, int] = (3, 40)) -> list[list[int]]:
    """Random token sequences without special tokens."""
    dice = Random(seed)
    return [
        [dice.randrange(FIRST_PLAIN, VOCABULARY) for _ in range(dice.randrange(*length))]
        for _ in range(count)
    ]
