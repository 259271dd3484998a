"""Fitting self-contrast: every setting answers the probes, the justified one the test questions."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from evals.fusion.settings import GREEDY, Choice, Setting, choose, distinct, fused_roles, grid
from evals.progress import Progress
from evals.tasks import Split, Task
from experts.errors import ServiceError
from experts.vllm.composite.config import Member

IN_FLIGHT = 64
TIMEOUT_S = 120.0
Scores = dict[str, tuple[float, ...]]
"""Of each task's questions, by the task's name."""


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
    limits = httpx.Limits(max_connections=IN_FLIGHT)
    async with httpx.AsyncClient(timeout=TIMEOUT_S, limits=limits) as client:
        asking = _Asking(client, f"{url}/e/{expert}/v1/chat/completions", expert)
        for setting in settings_of(weights):
            progress.doing(f"probes: {setting.name}")
            probe[setting] = await asking.scores(setting, tasks, "probe")
        progress.say(f"{len(probe)} settings have answered the probes")
        own, together = decide(names, probe)
        choices = (*own.values(), together)
        for setting in distinct((GREEDY, *(s for c in choices for s in (c.chosen, c.best)))):
            progress.doing(f"test questions: {setting.name}")
            test[setting] = await asking.scores(setting, tasks, "test")
    progress.say(f"{len(test)} settings have answered the test questions")
    return Fit(expert, names, probe, test, own, together)


@dataclass(frozen=True, slots=True)
class _Asking:
    client: httpx.AsyncClient
    address: str
    model: str

    async def scores(self, setting: Setting, tasks: Sequence[Task], split: Split) -> Scores:
        """The scores of a setting on all questions of a split."""
        places = asyncio.Semaphore(IN_FLIGHT)

        async def one(task: Task, question: str) -> str:
            async with places:
                return await self._ask(setting, question, task.spec.max_tokens)

        found: Scores = {}
        for task in tasks:
            samples = task.samples(split)
            texts = await asyncio.gather(*(one(task, sample.question) for sample in samples))
            found[task.name] = tuple(map(task.score, samples, texts))
        return found

    async def _ask(self, setting: Setting, question: str, max_tokens: int) -> str:
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": question}],
            "max_tokens": max_tokens,
            "temperature": 0,
            "chat_template_kwargs": {"role": setting.name},
        }
        try:
            response = await self.client.post(self.address, json=body)
        except httpx.HTTPError as error:
            raise ServiceError(f"{setting.name}: {type(error).__name__}: {error}") from error
        if response.status_code != 200:
            raise ServiceError(f"{setting.name}: HTTP {response.status_code}: {response.text}")
        return str(response.json()["choices"][0]["message"]["content"] or "")
