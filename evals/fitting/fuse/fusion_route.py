"""Training FusionRoute, and the control that is its router fine-tuned alone."""

from collections.abc import Sequence
from pathlib import Path

from evals.client.progress import Progress
from evals.client.voice import ProgressVoice
from experts.fused.training.runtime import prepare
from routers.fusion_route.save import save, save_router
from routers.fusion_route.train import train as run_training
from routers.fusion_route.training_config import TrainingConfig, read_config

FINE_TUNED = "fine_tuned"
"""The control's name in the worker process, and its folder in the run's."""


def read(
    file: Path, data: Sequence[Path] | None, preferences: Sequence[Path] | None
) -> TrainingConfig:
    """Read the file of a run; `data` and `preferences` replace its own. Raises ConfigError."""
    chosen = {"questions": data, "preferences": preferences}
    return read_config(file).model_copy(update={k: tuple(v) for k, v in chosen.items() if v})


def train(config: TrainingConfig, run: Path, out: Path, progress: Progress) -> None:
    """Train, or go on with `run`, and write the fused folder `out`. Raises ConfigError."""
    prepare(config.threads)
    voice = ProgressVoice(progress)
    model, state = run_training(config, run, voice)
    voice.tell(f"trained in {state.seconds:.0f} s ({state.cpu_seconds:.0f} s of the processor)")
    paths = {"members", "adapter_of", "router", "questions", "preferences"}
    record = {
        "training": config.model_dump(mode="json", exclude=paths),
        "seconds": round(state.seconds),
        "cpu_seconds": round(state.cpu_seconds),
    }
    save(model, config.router, config.members, out, record, config.role_tokens)
    voice.tell(f"wrote {out}")


def fine_tune(config: TrainingConfig, run: Path, progress: Progress) -> Path:
    """Train the router's model on the same data without experts, or go on with that.

    Returns the checkpoint's folder. Raises ConfigError.
    """
    prepare(config.threads)
    folder = run / FINE_TUNED
    voice = ProgressVoice(progress)
    voice.tell("the router's model alone, trained on the same data: a control")
    model, state = run_training(config.without_experts(), folder, voice, cache=run / "cache")
    voice.tell(f"trained in {state.seconds:.0f} s ({state.cpu_seconds:.0f} s of the processor)")
    save_router(model, config.router, folder / "model")
    return folder / "model"
