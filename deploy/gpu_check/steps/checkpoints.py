"""Writes the random checkpoints that the figures are taken on."""

import shutil
import time

import torch

from deploy.gpu_check import random_models
from deploy.gpu_check.random_models import DENSE, MEMBERS, MIXTURE
from deploy.gpu_check.rig import Found, Rig, Skip

GB = 1e9
ROOM_GB = 25.0
"""For the checkpoints, the composites' own weights and the compiler's files."""


def run(rig: Rig) -> Found:
    """Write all of them."""
    free = shutil.disk_usage(rig.work).free / GB
    if rig.cuda and free < ROOM_GB:
        raise Skip(f"{rig.work} has {free:.0f} GB free, {ROOM_GB:.0f} are needed: see --work")
    total = torch.cuda.get_device_properties(0).total_memory / 2**30 if rig.cuda else None
    sizes = random_models.sizes_for(total)
    started = time.perf_counter()
    parameters = {}
    jobs = [(name, "member", sizes.member) for name in MEMBERS]
    jobs += [(DENSE, DENSE, sizes.dense), (MIXTURE, MIXTURE, sizes.mixture)]
    for seed, (name, kind, shape) in enumerate(jobs):
        config = random_models.config_of(kind, shape, sizes.vocabulary)
        folder = random_models.folder_of(rig, name)
        parameters[name] = random_models.write_model(folder, config, seed, rig.device)
        print(f"{name}: {parameters[name] / 1e9:.3f} billion parameters", flush=True)
    figures = {"parameters": parameters, "vocabulary": sizes.vocabulary,
               "seconds": round(time.perf_counter() - started, 1)}  # fmt: skip
    listed = ", ".join(f"{name} {_count(n)}" for name, n in parameters.items())
    return Found(f"parameters: {listed}; vocabulary {sizes.vocabulary}", figures)


def _count(parameters: int) -> str:
    return f"{parameters / 1e9:.1f} B" if parameters >= 1e8 else f"{parameters / 1e6:.2f} M"
