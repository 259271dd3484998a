"""Models in one process of the real engine, as a slot holds them, for tests of fused experts."""

import asyncio
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import httpx
import torch
from repository import ROOT

ZOO = ROOT / "experts" / "zoo" / "weights"
SERVER = Path(__file__).with_name("composite_server.py")
BOS, FIRST_ROLE, VOCABULARY = 1, 6, 741
ANSWER = 16
LOOSE = {
    "dtype": "float32",
    "max_model_len": 512,
    "max_num_seqs": 64,
    "kv_cache_memory_bytes": 32 << 20,
    "max_logprobs": VOCABULARY,
}
# Five requests at a time, prompts in pieces, and hardly room for three of them.
TIGHT = {
    **LOOSE,
    "max_num_seqs": 5,
    "max_num_batched_tokens": 64,
    "enable_prompt_tokens_details": True,
}
BLOCK = 128
BLOCKS = 11


def tight(folder: Path, token_bytes: int) -> dict[str, Any]:
    """A load with room for BLOCKS blocks of KV cache, of `token_bytes` a token."""
    pool = {"kv_cache_memory_bytes": token_bytes * BLOCK * BLOCKS}
    return {"model": str(folder), "engine_args": TIGHT | pool}


def loose(folder: Path) -> dict[str, Any]:
    """A load with room for everything."""
    return {"model": str(folder), "engine_args": LOOSE}


Server = subprocess.Popen[str]


class Engines:
    """Asks the engines of the server by name."""

    def __init__(self, server: Server, client: httpx.AsyncClient, folders: dict[str, Path]) -> None:
        self._server = server
        assert server.stdout is not None
        self.url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        self.folders = folders
        self._client = client

    async def post(self, name: str, path: str, body: dict[str, Any]) -> httpx.Response:
        return await self._client.post(f"{self.url}/e/{name}{path}", json={"model": name, **body})

    async def complete(self, name: str, tokens: Sequence[int], **fields: Any) -> dict[str, Any]:
        """A greedy completion of `tokens`, unless `fields` say otherwise."""
        body = {"temperature": 0, "max_tokens": ANSWER, "ignore_eos": True, **fields}
        response = await self.post(
            name, "/v1/completions", {"prompt": list(tokens), "return_token_ids": True, **body}
        )
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def follow(self, name: str, tokens: Sequence[int], **fields: Any) -> list[int]:
        """The tokens of the completion."""
        answer = await self.complete(name, tokens, **fields)
        found: list[int] = answer["choices"][0]["token_ids"]
        return found

    async def sampled(self, name: str, roles: Sequence[int]) -> set[int]:
        """The tokens of many hot answers, a dozen for each role token."""
        hot = {"temperature": 2.0, "max_tokens": 32, "n": 12, "seed": 1}
        (text,) = texts(1)
        asked = (self.complete(name, [role, *text], **hot) for role in roles)
        answers = await asyncio.gather(*asked)
        return {
            token for answer in answers for one in answer["choices"] for token in one["token_ids"]
        }

    async def log_probs(self, name: str, tokens: Sequence[int]) -> torch.Tensor:
        """[vocabulary] of the next token."""
        answer = await self.complete(
            name, tokens, max_tokens=1, logprobs=VOCABULARY, return_tokens_as_token_ids=True
        )
        (found,) = answer["choices"][0]["logprobs"]["top_logprobs"]
        numbers = torch.full((VOCABULARY,), math.nan)
        for token, logprob in found.items():
            numbers[int(token.removeprefix("token_id:"))] = logprob
        return numbers

    def preemptions(self) -> int:
        """How often a request had to give up its KV cache, since the server started."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write("\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())


RUNNER_OF_GPUS = {"VLLM_USE_V2_MODEL_RUNNER": "1", "TRITON_INTERPRET": "1"}
"""vLLM's second model runner, with its Triton kernels interpreted."""


def compiled_pieces(cache: Path) -> dict[str, str]:
    """Models that ask for it are compiled piece by piece; what is compiled goes there."""
    return {"TORCH_COMPILE_DISABLE": "0", "VLLM_CACHE_ROOT": str(cache)}


@contextmanager
def serving(
    loads: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Start a server of these models, with more of an environment; it ends with the context."""
    with subprocess.Popen(
        [sys.executable, str(SERVER), json.dumps(loads)],
        env={**os.environ, **(environment or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        yield started
        started.kill()


def chosen_by(reference: Any, prompt: list[int], answer: list[int]) -> list[int]:
    """What the reference would say in the place of each token of an answer."""
    logits: torch.Tensor = reference.logits([*prompt, *answer])[len(prompt) - 1 : -1]
    return logits.argmax(-1).tolist()


def worst_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest relative error of log-probabilities; those near 0 count as 1."""
    return float(((found - expected).abs() / expected.abs().clamp(min=1)).max())


def texts(count: int, seed: int = 0) -> list[list[int]]:
    """Token sequences without special tokens."""
    dice = Random(seed)
    return [
        [dice.randrange(70, VOCABULARY) for _ in range(dice.randrange(3, 40))] for _ in range(count)
    ]
