"""Serves models in one process as a slot does.

Run as `python -m evals.client.worker.process JSON`, where JSON is
[threads, {name: keys of an EngineLoad}]. Prints {"port": number} when all are loaded, or
{"error": words}; ends with its standard input.
"""

import asyncio
import json
import sys
from importlib import import_module
from typing import Any

from experts.vllm import environment
from experts.vllm.loads import EngineLoad, WorkerSettings

GATHER_MS = 5.0


async def main(threads: int, loads: dict[str, dict[str, Any]]) -> None:
    """Load the models, serve them, and end with the standard input."""
    settings = WorkerSettings(threads, gather_ms=GATHER_MS)
    environment.prepare(settings)
    # Only now: vLLM reads the environment when it is imported.
    module = import_module("experts.vllm.worker")
    try:
        worker = module.Worker(settings)
        port = await worker.serve("127.0.0.1")
        for name, load in loads.items():
            await worker.load(EngineLoad(name, **load))
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
        raise
    print(json.dumps({"port": port}), flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(*json.loads(sys.argv[1])))
