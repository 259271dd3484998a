"""Serves several models in one process as a slot does; `python composite_server.py JSON`.

JSON is {name: {"model": folder, "engine_args": {...}}}. Prints the port when all are loaded, and
then, for every line on its standard input, how many preemptions there were; ends with its input.
With TORCH_COMPILE_DISABLE=0 in its environment, engines whose arguments ask for it are compiled;
with TRITON_INTERPRET=1, they have the model runner that GPUs have.
"""

import asyncio
import json
import os
import sys
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from experts.vllm import environment
from experts.vllm.loads import EngineLoad, WorkerSettings

THREADS = 1


def compile_as_gpus_do() -> None:
    """Let models be compiled piece by piece; vLLM's CPU platform would have them in one."""
    from vllm.platforms.cpu import CpuPlatform  # noqa: PLC0415

    # What else is compiled, for sampling, is not what these engines are for.
    CpuPlatform.simple_compile_backend = "eager"
    check = CpuPlatform.check_and_update_config

    def checked(_: type[CpuPlatform], vllm_config: Any) -> None:
        compilation = vllm_config.compilation_config
        asked = (compilation.mode, compilation.backend)
        check(vllm_config)
        compilation.mode, compilation.backend = asked

    CpuPlatform.check_and_update_config = classmethod(checked)


def interpret_triton() -> None:
    """Let vLLM take Triton, whose interpreter runs anywhere, as made for this machine."""
    driver = SimpleNamespace(is_active=lambda: True)
    import_module("triton.backends").backends["cpu"] = SimpleNamespace(driver=driver, compiler=None)


async def main(loads: dict[str, dict[str, Any]]) -> None:
    settings = WorkerSettings(THREADS, gather_ms=5)
    environment.prepare(settings)
    # Only now: vLLM reads the environment when it is imported.
    if os.environ.get("TRITON_INTERPRET") == "1":
        interpret_triton()
    if os.environ["TORCH_COMPILE_DISABLE"] == "0":
        compile_as_gpus_do()
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
