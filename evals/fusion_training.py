"""Training and measuring FusionRoute for the command line."""

from collections.abc import Sequence
from pathlib import Path

import typer

from evals.tasks import TASKS
from routers.fusion_route.config import read_config
from routers.fusion_route.decode import all_roles
from routers.fusion_route.evaluate import evaluate as ask
from routers.fusion_route.evaluate import read_task, table
from routers.fusion_route.progress import Voice
from routers.fusion_route.runtime import prepare
from routers.fusion_route.save import load_fused, save
from routers.fusion_route.train import train as run_training

THREADS = 2


def train(
    file: Path,
    data: Sequence[Path] | None,
    preferences: Sequence[Path] | None,
    run: Path,
    out: Path,
) -> None:
    """Train what `file` describes, or go on with `run`, and write `out`. Raises ConfigError."""
    config = read_config(file)
    prepare(config.threads)
    chosen = {"questions": data, "preferences": preferences}
    config = config.model_copy(update={k: tuple(v) for k, v in chosen.items() if v})
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


def evaluate(folder: Path, tasks: Sequence[Path] | None) -> None:
    """Accuracy of every role of `folder` on the test split of tasks. Raises ConfigError."""
    prepare(THREADS)
    policy, tokenizer = load_fused(folder)
    files = tasks or sorted((TASKS / "data").glob("*.jsonl"))
    questions = {path.stem: read_task(path, "test") for path in files}
    with Voice(typer.echo) as voice:
        results = [
            ask(policy, tokenizer, rows, role, task, voice.say)
            for role in all_roles(policy.members)
            for task, rows in questions.items()
        ]
    typer.echo(table(results))
