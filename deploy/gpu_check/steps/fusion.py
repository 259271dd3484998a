"""What fusing costs: composites of random members beside a member alone."""

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from deploy.gpu_check.composites import write_thoughts
from deploy.gpu_check.engines import engines
from deploy.gpu_check.random_models import CONTEXT, MEMBERS, MIXTURE, folder_of, shapes_only
from deploy.gpu_check.rig import Found, Rig
from evals.benchmarks.fusion.fusion_bench import ms_per_token
from evals.client.load import load_client
from experts.fused.folder.methods.fusion_route import FusionRoute
from experts.fused.folder.methods.self_contrast import SelfContrast
from experts.fused.folder.own_weights import TrainedRoute
from experts.fused.folder.write import write_composite

LEVELS = (1, 64)
ROUNDS = {True: 3, False: 1}
"""A rehearsal's figures say nothing."""
QUESTIONS = tuple(f"What comes after {number}?" for number in range(64))
STACKS = {True: 4, False: 2}
GATE = 0.1
CAPTURED = [1, 2, 4, 8, 16, 32, 64, 128]


async def run(rig: Rig) -> Found:
    """Measure each model alone at each load, in turns; the medians count."""
    models = _write(rig)
    times: dict[str, dict[int, list[float]]] = {
        name: {level: [] for level in LEVELS} for name in models
    }
    loads = {}
    async with engines(rig.cuda) as held, load_client() as client:
        for name, folder in models.items():
            loads[name] = round(await held.load(name, folder, _args(rig.cuda)), 1)
            # To warm up.
            await ms_per_token(client, held.url, name, QUESTIONS, LEVELS[-1])
        for _ in range(ROUNDS[rig.cuda]):
            for name in models:
                for level in LEVELS:
                    time = await ms_per_token(client, held.url, name, QUESTIONS, level)
                    times[name][level].append(time)
    medians = {name: {level: statistics.median(found) for level, found in levels.items()}
               for name, levels in times.items()}  # fmt: skip
    ratios = {
        "route": _ratios(medians, "route", "member"),
        "thoughts": _ratios(medians, "thoughts", "member"),
        "self-contrast": _ratios(medians, "self-contrast", "mixture"),
    }
    told = ", ".join(
        f"{name} {'/'.join(f'{ratio:.2f}' for ratio in found.values())}"
        for name, found in ratios.items()
    )
    figures = {"ms_per_token": medians, "rounds": times, "times_the_part": ratios, "load_s": loads}
    return Found(f"time per token, in parts of one member, at 1/64 in flight: {told}", figures)


def _ratios(medians: Mapping[str, Mapping[int, float]], whole: str, part: str) -> dict[int, float]:
    return {level: round(medians[whole][level] / medians[part][level], 3) for level in LEVELS}


def _write(rig: Rig) -> dict[str, Path]:
    """FusionRoute and Mixture of Thoughts compute three bodies, self-contrast one twice."""
    folders = {name: folder_of(rig, name) for name in MEMBERS}
    mixture = folder_of(rig, MIXTURE)
    router, *speaking = folders
    members = {name: folders[name] for name in speaking}
    root = rig.work / "fusion"
    shapes = {name: shapes_only(folder) for name, folder in folders.items()}
    head = torch.randn(len(members), shapes[router].config.hidden_size)
    write_composite(root / "route", FusionRoute.architecture, members, ({"name": "routed"},),
                    TrainedRoute(folders[router], head))  # fmt: skip
    shape = {"stacks": STACKS[rig.cuda], "active": len(folders), "shared_width": 64}
    write_thoughts(root / "thoughts", folders, shapes, shape, GATE)
    role = ({"name": "contrast", "beta": 0.5, "rank": 2},)
    write_composite(root / "self-contrast", SelfContrast.architecture, {"mixture": mixture}, role)
    own = {name: root / name for name in ("route", "thoughts", "self-contrast")}
    return {"member": folders[router], "mixture": mixture, **own}


def _args(cuda: bool) -> dict[str, Any]:
    args: dict[str, Any] = {"max_model_len": CONTEXT, "max_num_seqs": 64}
    if not cuda:
        return {**args, "dtype": "float32", "kv_cache_memory_bytes": 64 << 20}
    # Graphs without the compiler: five engines would spend minutes in it.
    graphs = {"mode": 0, "cudagraph_mode": "FULL_DECODE_ONLY", "cudagraph_capture_sizes": CAPTURED}
    return {**args, "dtype": "bfloat16", "kv_cache_memory_bytes": 2 << 30,
            "gpu_memory_utilization": 0.1, "compilation_config": graphs}  # fmt: skip
