"""FusionRoute for the command line: trained, and measured beside its controls."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import typer
from rich.console import Console

from evals.benchmarks.fusion.answers import Scores
from evals.benchmarks.fusion.compare import FUSED, Comparison, ask_members, read_fused
from evals.benchmarks.fusion.compare_report import ROUTE_TARGETS, print_comparison, write_json
from evals.benchmarks.fusion.controls import best_member
from evals.benchmarks.fusion.served import Served, client
from evals.benchmarks.fusion.serving import serving
from evals.client.progress import Progress
from evals.tasks.task import Task
from experts.fused.folder.methods.fusion_route import FusionRoute
from experts.fused.training.progress import Voice
from experts.fused.training.runtime import prepare
from routers.fusion_route.save import save, save_router
from routers.fusion_route.train import train as run_training
from routers.fusion_route.training_config import TrainingConfig, read_config
from routers.registry import shared_encoder

FINE_TUNED = "fine_tuned"
"""The control's name in the worker process, and its folder in the run's."""


def read(
    file: Path, data: Sequence[Path] | None, preferences: Sequence[Path] | None
) -> TrainingConfig:
    """Read the file of a run; `data` and `preferences` replace its own. Raises ConfigError."""
    chosen = {"questions": data, "preferences": preferences}
    return read_config(file).model_copy(update={k: tuple(v) for k, v in chosen.items() if v})


def train(config: TrainingConfig, run: Path, out: Path) -> None:
    """Train, or go on with `run`, and write the fused folder `out`. Raises ConfigError."""
    prepare(config.threads)
    with Voice(typer.echo) as voice:
        model, state = run_training(config, run, voice)
        voice.tell(f"trained in {state.seconds:.0f} s ({state.cpu_seconds:.0f} s of the processor)")
        paths = {"members", "router", "questions", "preferences"}
        record = {
            "training": config.model_dump(mode="json", exclude=paths),
            "seconds": round(state.seconds),
            "cpu_seconds": round(state.cpu_seconds),
        }
        save(model, config.router, config.members, out, record)
        voice.tell(f"wrote {out}")


def fine_tune(config: TrainingConfig, run: Path) -> Path:
    """Train the router's model on the same data without experts, or go on with that.

    Returns the checkpoint's folder. Raises ConfigError.
    """
    prepare(config.threads)
    folder = run / FINE_TUNED
    with Voice(typer.echo) as voice:
        voice.tell("the router's model alone, trained on the same data: a control")
        model, state = run_training(config.without_experts(), folder, voice, cache=run / "cache")
        voice.tell(f"trained in {state.seconds:.0f} s ({state.cpu_seconds:.0f} s of the processor)")
        save_router(model, config.router, folder / "model")
    return folder / "model"


async def evaluate(
    folder: Path,
    fine_tuned: Path | None,
    tasks: Sequence[Task],
    json_out: Path | None,
    progress: Progress,
) -> Callable[[Console], int]:
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
