"""Training FusionRoute, and measuring it beside its controls, for the command line."""

from collections.abc import Callable, Sequence
from pathlib import Path

import typer
from rich.console import Console

from evals.fusion.compare import compare
from evals.fusion.compare_report import print_comparison, write_json
from evals.tasks import Task
from experts.training.models import load_tokenizer
from experts.training.progress import Voice
from experts.training.runtime import prepare
from routers.fusion_route.config import TrainingConfig, read_config
from routers.fusion_route.decode import Chat, FusedPolicy
from routers.fusion_route.model import Members
from routers.fusion_route.save import load_fused, save
from routers.fusion_route.train import train as run_training
from routers.registry import shared_encoder

THREADS = 2
FINE_TUNED = "fine_tuned"


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


def evaluate(
    folder: Path,
    tasks: Sequence[Task],
    config: TrainingConfig | None,
    run: Path,
    json_out: Path | None,
) -> Callable[[Console], int]:
    """Measure `folder` beside its controls; returns what prints it and gives the exit code.

    With the `config` it was trained by, one model of the router's size is trained on the same
    data, too. Raises ConfigError.
    """
    prepare(config.threads if config else THREADS)
    load_fused(folder)
    with Voice(typer.echo) as voice:
        fine_tuned = _fine_tune(config, run, voice) if config else None
        if fine_tuned is None:
            voice.tell("no --config: without the fine-tuned model of the router's size")
        found = compare(folder, fine_tuned, tasks, shared_encoder()(), voice.say)
        voice.tell("measured")
    if json_out:
        write_json(json_out, found)
    return lambda console: print_comparison(console, found)


def _fine_tune(config: TrainingConfig, run: Path, voice: Voice) -> Chat:
    """Train the router's model on the same data without experts, or go on with that."""
    voice.tell("the same model without experts, trained on the same data")
    model, state = run_training(
        config.without_experts(), run / FINE_TUNED, voice, cache=run / "cache"
    )
    voice.tell(f"trained in {state.seconds:.0f} s ({state.cpu_seconds:.0f} s of the processor)")
    tokenizer = load_tokenizer(config.router)
    return Chat(FusedPolicy(model, Members({}), int(tokenizer.eos_token_id)), tokenizer)
