"""`python -m deploy.gpu_check`: runs the steps, prints their verdicts and writes the report."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from deploy.gpu_check import machine, report
from deploy.gpu_check.options import Options, parse
from deploy.gpu_check.plan import Step, choose
from deploy.gpu_check.schedule import Schedule
from deploy.gpu_check.step_process import Place, run_step
from deploy.gpu_check.verdicts import Verdict, closing_line, exit_code, line

INTERRUPTED = 130
REPORT = "report.json"


def main(words: Sequence[str] | None = None) -> int:
    """Run the check; returns the exit code."""
    options = parse(words)
    try:
        steps = choose(options.only)
    except ValueError as error:
        print(f"gpu-check: {error}", file=sys.stderr)
        return 2
    if not options.cpu and not machine.has_gpu():
        print("gpu-check: no NVIDIA GPU answers here; --cpu rehearses on the CPU", file=sys.stderr)
        return 2
    try:
        _make_writable(options.out)
        if options.work is not None:
            options.work.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix="coterie-gpu-check-", dir=options.work))
    except OSError as error:
        print(
            f"gpu-check: {error.filename} cannot be written ({error.strerror}); name another folder"
            " with --out or --work",
            file=sys.stderr,
        )
        return 2
    try:
        return asyncio.run(_check(options, steps, work))
    except asyncio.CancelledError:
        print("gpu-check: interrupted", file=sys.stderr)
        return INTERRUPTED
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _make_writable(folder: Path) -> None:
    """Make the folder of the report, and try it. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder):
        pass


async def _check(options: Options, steps: Sequence[Step], work: Path) -> int:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        # However often it comes: the running steps are ended in peace.
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    started = time.perf_counter()
    facts = machine.describe()
    cpu = options.cpu
    jobs = options.jobs or default_jobs(cpu)
    each = {step.name: step.limit_s for step in steps}
    limits = {"total_s": options.total_limit_s, "jobs": jobs, "cpu": cpu, "steps_s": each}
    verdicts: list[Verdict] = []

    def save(finished: bool) -> None:
        seconds = time.perf_counter() - started
        tree = report.as_tree(facts, limits, verdicts, seconds, finished=finished)
        report.write(options.out / REPORT, tree)

    def tell(verdict: Verdict) -> None:
        verdicts.append(verdict)
        print(line(verdict), flush=True)
        save(finished=False)

    print(_opening(facts, cpu, jobs), flush=True)
    save(finished=False)
    place = Place(options.out, work, not cpu, environment(work, cpu, jobs))
    present = machine.present({name for step in steps for name in step.needs})
    run = partial(_run, place)
    await Schedule(
        steps, run, tell, jobs=jobs, total_s=options.total_limit_s, cpu=cpu, present=present
    ).run()
    save(finished=True)
    print(closing_line(verdicts, time.perf_counter() - started))
    print(f"report: {options.out / REPORT}")
    return exit_code(verdicts)


async def _run(place: Place, step: Step, limit_s: float) -> Verdict:
    return await run_step(step, place, limit_s)


def default_jobs(cpu: bool) -> int:
    """How many steps run side by side: each has an engine or two, which start on one core."""
    return 1 if cpu else max(1, min(6, machine.cores() // 2))


def environment(work: Path, cpu: bool, jobs: int) -> dict[str, str]:
    """The variables of the steps' processes."""
    # Tiny models on few cores gain nothing from a second thread.
    threads = "1" if cpu else str(max(1, machine.cores() // jobs))
    wanted = {"VLLM_LOGGING_LEVEL": "INFO", "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": threads}
    if not cpu:
        wanted |= {
            # One machine: nothing may wait for a name or an interface that is not there.
            "VLLM_HOST_IP": "127.0.0.1",
            "GLOO_SOCKET_IFNAME": "lo",
            "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
            # Fresh: what is measured includes the compiler.
            "VLLM_CACHE_ROOT": str(work / "vllm-cache"),
        }
    return {**wanted, **os.environ}


def _opening(facts: dict[str, Any], cpu: bool, jobs: int) -> str:
    gpus = ", ".join(gpu["name"] for gpu in facts["gpus"])
    device = "a rehearsal on the CPU" if cpu else gpus or "a GPU that nvidia-smi does not name"
    versions = ", ".join(f"{name} {found}" for name, found in facts["versions"].items())
    return f"gpu-check: {device}; {versions}; steps at a time: {jobs}"


if __name__ == "__main__":
    sys.exit(main())
