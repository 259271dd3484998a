"""What it costs to load, put to sleep, wake and drop a dense model, and what it leaves behind."""

import os
from pathlib import Path
from typing import Any

from deploy.gpu_check.engines import engines
from deploy.gpu_check.random_models import CONTEXT, DENSE, folder_of
from deploy.gpu_check.rig import Failure, Found, Rig
from deploy.gpu_check.steps.slot import Life

NAPS = (1, 1, 2)


async def run(rig: Rig) -> Found:
    """Load cold and warm, and sleep at each level."""
    folder = folder_of(rig, DENSE)
    async with engines(rig.cuda, sleeps=rig.cuda) as held:
        life = Life(held, DENSE)
        life.note("start", 0.0)
        _forget(folder)
        life.note("cold load", await held.load(DENSE, folder, _args(rig.cuda)))
        same = [await life.ask()]
        same += [await life.nap(level) for level in NAPS if rig.cuda]
        life.note("unload", (await held.worker.unload(DENSE)).seconds)
        life.note("warm load", await held.load(DENSE, folder, _args(rig.cuda)))
        same.append(await life.ask())
        life.note("last unload", (await held.worker.unload(DENSE)).seconds)
    figures = {"log": life.log, "weights_gb": round(_size_gb(folder), 2)}
    if not all(same):
        raise Failure("the model's answer changed on the way", figures)
    took = ", ".join(f"{entry['what']} {entry['seconds']:.2f} s" for entry in life.log[1:-1])
    return Found(f"{figures['weights_gb']} GB of weights: {took}", figures)


def _args(cuda: bool) -> dict[str, Any]:
    args: dict[str, Any] = {"max_model_len": CONTEXT, "max_num_seqs": 64}
    if not cuda:
        return {**args, "dtype": "float32", "kv_cache_memory_bytes": 64 << 20}
    return {**args, "dtype": "bfloat16", "kv_cache_memory_bytes": 2 << 30,
            "gpu_memory_utilization": 0.5}  # fmt: skip


def _forget(folder: Path) -> None:
    """Drop the weights from the system's file cache, where it can be asked to."""
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _size_gb(folder: Path) -> float:
    return float(sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 2**30)
