"""Training a Mixture of Thoughts, and writing it as a fused folder."""

from collections.abc import Sequence
from pathlib import Path

from aggregators.mixture_of_thoughts.save import save
from aggregators.mixture_of_thoughts.train import train as run_training
from aggregators.mixture_of_thoughts.training_config import TrainingConfig, read_config
from evals.client.progress import Progress
from evals.client.voice import ProgressVoice
from experts.fused.training.runtime import prepare
from routers.registry import shared_encoder


def read(file: Path, data: Sequence[Path] | None) -> TrainingConfig:
    """Read the file of a run; `data` replaces its own. Raises ConfigError."""
    config = read_config(file)
    return config.model_copy(update={"questions": tuple(data)}) if data else config


def train(
    config: TrainingConfig, run: Path, out: Path, progress: Progress, cache: Path | None = None
) -> None:
    """Train, or go on with `run`, and write the fused folder `out`. Raises ConfigError.

    `cache` is for several runs on the same data.
    """
    prepare(config.threads)
    encoder = shared_encoder()()
    voice = ProgressVoice(progress)
    model, state = run_training(config, run, encoder.encode, voice, cache)
    voice.tell(f"trained in {state.seconds:.0f} s ({state.cpu_seconds:.0f} s of the processor)")
    record = {
        "training": config.model_dump(mode="json", exclude={"members", "adapter_of", "questions"}),
        "seconds": round(state.seconds),
        "cpu_seconds": round(state.cpu_seconds),
    }
    save(model, config, encoder.name, out, record)
    voice.tell(f"wrote {out}")
