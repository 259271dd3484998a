"""Fitting self-contrast: every setting answers the probes, the justified one the test questions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.client.progress import Progress
from evals.client.worker.answers import Scores
from evals.client.worker.served import Served, client
from evals.fitting.fuse.self_contrast_settings import (
    GREEDY,
    Choice,
    Setting,
    choose,
    distinct,
    fused_roles,
    grid,
)
from evals.tasks.task import Task
from experts.fused.folder.member import Member


@dataclass(frozen=True, slots=True)
class Fit:
    """What was found; `probe` has every setting, `test` greedy and those that matter."""

    expert: str
    tasks: tuple[str, ...]
    probe: Mapping[Setting, Scores]
    test: Mapping[Setting, Scores]
    of_task: Mapping[str, Choice]
    together: Choice

    def roles(self) -> list[dict[str, Any]]:
        """Of the fused folder."""
        chosen = {name: choice.chosen for name, choice in self.of_task.items()}
        return fused_roles(self.together.chosen, chosen)


def settings_of(weights: Path) -> tuple[Setting, ...]:
    """The grid for a checkpoint."""
    config = json.loads((weights / "config.json").read_text(encoding="utf-8"))
    return grid(Member(path=str(weights), config=config).experts)


def setting_roles(weights: Path) -> list[dict[str, Any]]:
    """The grid as the roles of one composite, so that the model is loaded once."""
    return [setting.role(setting.name) for setting in settings_of(weights)]


def decide(
    tasks: Sequence[str], probe: Mapping[Setting, Scores]
) -> tuple[dict[str, Choice], Choice]:
    """The choice of each task, and that of all together."""
    own = {
        task: choose({setting: scores[task] for setting, scores in probe.items()}) for task in tasks
    }
    joined = {
        setting: [one for task in tasks for one in scores[task]]
        for setting, scores in probe.items()
    }
    return own, choose(joined)


async def fit_settings(
    url: str, expert: str, weights: Path, tasks: Sequence[Task], progress: Progress
) -> Fit:
    """Fit on the probe split, measure on the test split. Raises ServiceError."""
    names = tuple(task.name for task in tasks)
    probe: dict[Setting, Scores] = {}
    test: dict[Setting, Scores] = {}
    async with client() as connection:
        served = Served(connection, url, expert)
        settings = settings_of(weights)
        for number, setting in enumerate(settings):
            progress.doing(f"probe questions: {setting.name}", number, len(settings))
            probe[setting] = (await served.answers(tasks, "probe", setting.name)).scores
        progress.say(f"{len(probe)} settings have answered the probes")
        own, together = decide(names, probe)
        choices = (*own.values(), together)
        tested = distinct((GREEDY, *(s for c in choices for s in (c.chosen, c.best))))
        for number, setting in enumerate(tested):
            progress.doing(f"test questions: {setting.name}", number, len(tested))
            test[setting] = (await served.answers(tasks, "test", setting.name)).scores
    progress.say(f"{len(test)} settings have answered the test questions")
    return Fit(expert, names, probe, test, own, together)
