"""Serves several models in one process as a slot does; `python composite_server.py JSON`.

JSON is {name: {"model": folder, "engine_args": {...}}}. Prints the port when all are loaded, and
then, for every line on its standard input, how many preemptions there were; ends with its input.
"""

import asyncio
import json
import sys
from typing import Any

from experts.vllm import environment
from experts.vllm.loads import EngineLoad, WorkerSettings

THREADS = 1


async def main(loads: dict[str, dict[str, Any]]) -> None:
    settings = WorkerSettings(THREADS, gather_ms=5)
    environment.prepare(settings)
    # Only now: vLLM reads the environment when it is imported.
    from vllm.v1.core.sched.scheduler import Scheduler  # noqa: PLC0415

    from experts.vllm.worker import Worker  # noqa: PLC0415

    preempt = Scheduler._preempt_request
    preempted = []

    def counted(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        preempted.append(request.request_id)
        return preempt(self, request, *args, **kwargs)

    Scheduler._preempt_request = counted
    worker = Worker(settings)
    port = await worker.serve("127.0.0.1")
    for name, load in loads.items():
        report = await worker.load(EngineLoad(name, load["model"], load["engine_args"]))
        print(f"{name} in {report.seconds:.1f} s", file=sys.stderr)
    print(port, flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(len(preempted), flush=True)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
