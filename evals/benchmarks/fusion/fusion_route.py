"""A trained FusionRoute beside its members, its variants and its controls."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from evals.benchmarks.fusion.compare import FUSED, Comparison, ask_members, read_fused
from evals.benchmarks.fusion.compare_report import ROUTE_TARGETS, print_comparison, write_json
from evals.benchmarks.fusion.controls import best_member
from evals.client.progress import Progress
from evals.client.worker.answers import Scores
from evals.client.worker.served import Served, client
from evals.client.worker.serving import serving
from evals.fitting.fuse.fusion_route import FINE_TUNED
from evals.reporting.table import Finish
from evals.tasks.task import Task
from experts.fused.folder.methods.fusion_route import FusionRoute
from routers.registry import shared_encoder


async def evaluate(
    folder: Path,
    fine_tuned: Path | None,
    tasks: Sequence[Task],
    json_out: Path | None,
    progress: Progress,
) -> Finish:
    """Serve a fused folder and its members, ask them and print the comparison.

    `fine_tuned` is the checkpoint of the control. Raises ConfigError and ServiceError.
    """
    members = read_fused(folder, FusionRoute)
    folders = {FUSED: folder, **members, **({FINE_TUNED: fine_tuned} if fine_tuned else {})}
    progress.doing("loading the models")
    async with serving(folders) as url, client() as connection:
        progress.say(f"{len(folders)} models loaded into one worker process")
        fused = Served(connection, url, FUSED)
        answers = await ask_members(fused, list(members), tasks, progress)
        progress.doing("asking the fused expert in its roles")
        added = [await fused.answers(tasks, "probe", name, name) for name in members]
        fixed = best_member(added)

        async def variant(role: str) -> Scores:
            return (await fused.answers(tasks, "test", role)).scores

        variants = {
            "without added logits": await variant("route_only"),
            f"always {fixed} + router": await variant(fixed),
            "router's logits alone": await variant("router"),
        }
        if fine_tuned:
            control = Served(connection, url, FINE_TUNED)
            found = await control.answers(tasks, "test")
            variants["its size, fine-tuned"] = found.scores
        route = await variant("route")
    progress.doing("fitting the controls")
    whole = answers.whole_answers(tasks, shared_encoder()())
    comparison = Comparison("FusionRoute", tuple(tasks), route, answers.scores, whole, variants)
    if json_out:
        write_json(json_out, comparison, ROUTE_TARGETS)
    return partial(print_comparison, comparison=comparison, targets=ROUTE_TARGETS)
