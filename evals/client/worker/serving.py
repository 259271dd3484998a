"""A worker process of the product's own, for the length of a measurement."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from experts.errors import ServiceError
from experts.fused.roles import fused

WORKER_PROCESS = "evals.client.worker.process"

THREADS = 1
"""Of the engines, and of everything that they are compared with."""
ENGINE_ARGS: Mapping[str, Any] = {
    "dtype": "float32",
    "max_model_len": 1024,
    "max_num_seqs": 128,
    "enforce_eager": True,
    "kv_cache_memory_bytes": 96 << 20,
}
_ERROR_LINES = 3


@asynccontextmanager
async def serving(folders: Mapping[str, Path]) -> AsyncIterator[str]:
    """Load models into one new worker process; yields its URL, under which /e/<name>/v1 is one.

    Raises ServiceError with the worker's words.
    """
    loads = {name: _load(folder) for name, folder in folders.items()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", WORKER_PROCESS, json.dumps([THREADS, loads])),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{await _port(process)}"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _load(folder: Path) -> dict[str, Any]:
    """The keys of an `EngineLoad` but its name: vLLM, or torch for what vLLM cannot run."""
    model = fused(str(folder))
    if model is not None and model.listeners:
        few = {"max_num_seqs": ENGINE_ARGS["max_num_seqs"]}
        return {"model": str(folder), "engine_args": few, "kind": "torch"}
    return {"model": str(folder), "engine_args": dict(ENGINE_ARGS)}


async def _port(process: asyncio.subprocess.Process) -> int:
    assert process.stdout is not None
    async for line in process.stdout:
        try:
            answer = json.loads(line)
        except ValueError:
            continue  # vLLM's own words.
        if isinstance(answer, dict) and "error" in answer:
            words = "\n".join(str(answer["error"]).splitlines()[:_ERROR_LINES])
            raise ServiceError(f"The worker could not load the models: {words}")
        if isinstance(answer, dict) and "port" in answer:
            return int(answer["port"])
    raise ServiceError("The worker process ended before it had loaded the models.")
