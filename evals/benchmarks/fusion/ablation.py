"""What each part of a Mixture of Thoughts is worth: variants of a run, each with several seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aggregators.mixture_of_thoughts.training_config import TrainingConfig
from evals.benchmarks.fusion import mixture_of_thoughts as thoughts
from evals.benchmarks.fusion.ablation_report import BASE, Ablated, print_ablation, write_json
from evals.benchmarks.fusion.compare import ask_members
from evals.client.progress import Progress
from evals.client.worker.answers import Scores
from evals.client.worker.served import Served, client
from evals.client.worker.serving import serving
from evals.fitting.fuse import mixture_of_thoughts as training
from evals.reporting.table import Finish
from evals.tasks.task import Task
from experts.errors import ConfigError
from experts.fused.training.yaml_file import mistakes, read_yaml
from routers.registry import shared_encoder

MOST_RUNS = 64


class Ablation(BaseModel):
    """What `--ablate` reads: the keys of a run that each variant has otherwise.

    `members` there are names: those of the run's that stay.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seeds: tuple[int, ...] = Field((0, 1, 2), min_length=1)
    every: dict[str, Any] = {}
    """Keys of all runs, the unchanged one included: fewer steps, say."""
    variants: dict[str, dict[str, Any]] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Run:
    """One training."""

    variant: str
    seed: int
    config: TrainingConfig

    @property
    def name(self) -> str:
        """Of its folder, and of its model in the worker process."""
        words = "".join(c if c.isalnum() else "-" for c in self.variant)
        return f"{words}-{self.seed}"


def plan(config: TrainingConfig, file: Path) -> list[Run]:
    """All runs, those of the unchanged file first. Raises ConfigError for keys that do not fit."""
    ablation = read_yaml(file, Ablation, "an ablation")
    variants: dict[str, dict[str, Any]] = {BASE: {}, **ablation.variants}
    places = {
        name: f"{file}: {'every' if name == BASE else f'variants.{name}'}" for name in variants
    }
    runs = [
        Run(name, seed, _changed(config, {**ablation.every, **changes, "seed": seed}, places[name]))
        for name, changes in variants.items()
        for seed in ablation.seeds
    ]
    if len(runs) > MOST_RUNS:
        raise ConfigError(f"{file} describes {len(runs)} runs; at most {MOST_RUNS} are made.")
    if len({run.name for run in runs}) < len(runs):
        raise ConfigError(f"{file}: two variants differ only in their punctuation.")
    return runs


def _changed(config: TrainingConfig, changes: Mapping[str, Any], where: str) -> TrainingConfig:
    changes = dict(changes)
    if (members := changes.get("members")) is not None:
        if not isinstance(members, list):
            raise ConfigError(f"{where}: members must be a list of names.")
        if unknown := sorted({*map(str, members)} - {*config.members}):
            raise ConfigError(f"{where}: {', '.join(unknown)} is no member of the run.")
        changes["members"] = {name: config.members[name] for name in members}
    try:
        return TrainingConfig.model_validate({**config.model_dump(), **changes})
    except ValidationError as error:
        raise ConfigError(f"{where} does not fit.", problems=mistakes(error)) from error


def train(runs: Sequence[Run], root: Path, progress: Progress) -> dict[str, Path]:
    """Train what is not trained yet; returns the fused folders by name. Raises ConfigError."""
    folders = {run.name: root / run.name for run in runs}
    for run in runs:
        folder = folders[run.name]
        state = folder.with_name(f"{folder.name}.run")
        training.train(run.config, state, folder, progress, root / "cache")
    return folders


async def evaluate(
    runs: Sequence[Run],
    folders: Mapping[str, Path],
    tasks: Sequence[Task],
    json_out: Path | None,
    progress: Progress,
) -> Finish:
    """Serve all of them beside their members, ask them and print what each part is worth.

    Raises ConfigError and ServiceError.
    """
    encoder = shared_encoder()()
    config = runs[0].config
    found: dict[str, list[Scores]] = {}
    progress.doing("loading the models")
    async with serving({**folders, **config.members}) as url, client() as connection:
        progress.say(f"{len(folders) + len(config.members)} models loaded into one worker process")
        anyone = Served(connection, url, runs[0].name)
        answers = await ask_members(anyone, list(config.members), tasks, progress)
        for number, run in enumerate(runs):
            progress.doing(f"asking {run.name}", number, len(runs))
            served = Served(connection, url, run.name)
            mixture = thoughts.Mixture(served, folders[run.name], tasks, encoder)
            ways = {run.variant: await mixture.answer()}
            if run.variant == BASE:
                ways[thoughts.ALONE] = mixture.alone(answers.scores)
                ways[thoughts.RANDOM_PEERS] = await mixture.answer_with_random_peers()
            for name, scores in ways.items():
                found.setdefault(name, []).append(scores)
        progress.say(f"{len(runs)} mixtures have answered the questions of {len(tasks)} tasks")
    progress.doing("fitting the controls")
    whole = answers.whole_answers(tasks, encoder, voters=config.active)
    ablated = Ablated(tuple(tasks), {k: tuple(v) for k, v in found.items()}, whole)
    if json_out:
        write_json(json_out, ablated)
    return partial(print_ablation, ablated=ablated)
