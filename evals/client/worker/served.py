"""Asking models of a worker process the questions of tasks, each question in a role of its own."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import httpx

from evals.client.worker.answers import Answers
from evals.tasks.task import Sample, Split, Task
from experts.errors import ServiceError

IN_FLIGHT = 128
TIMEOUT_S = 120.0
Roles = Mapping[str, Sequence[str]]
"""Of each task's questions, in their order."""


def client() -> httpx.AsyncClient:
    """A client that can hold as many requests as are in flight."""
    return httpx.AsyncClient(timeout=TIMEOUT_S, limits=httpx.Limits(max_connections=IN_FLIGHT))


@dataclass(frozen=True, slots=True)
class Served:
    """One model of a worker process (`evals.client.worker.serving`)."""

    client: httpx.AsyncClient
    url: str
    name: str

    async def answers(
        self,
        tasks: Sequence[Task],
        split: Split,
        roles: Roles | str | None = None,
        called: str | None = None,
    ) -> Answers:
        """Greedy answers to every question of a split; raises ServiceError.

        `roles` are those of the questions, or one for all; None is the model's default. `called`
        names the answers, in the place of the model.
        """
        places = asyncio.Semaphore(IN_FLIGHT)

        async def one(task: Task, number: int, sample: Sample) -> str:
            role = roles if roles is None or isinstance(roles, str) else roles[task.name][number]
            async with places:
                return await self._ask(task.body(sample), role)

        # All tasks at once: the last answers of one must not wait in a batch of their own.
        found = await asyncio.gather(
            *(
                one(task, number, sample)
                for task in tasks
                for number, sample in enumerate(task.samples(split))
            )
        )
        said = iter(found)
        texts = {task.name: tuple(islice(said, len(task.samples(split)))) for task in tasks}
        scores = {
            task.name: tuple(
                task.score_all(list(zip(task.samples(split), texts[task.name], strict=True)))
            )
            for task in tasks
        }
        return Answers(called or self.name, texts, scores)

    async def _ask(self, asked: Mapping[str, Any], role: str | None) -> str:
        body = {**asked, "model": self.name, "temperature": 0}
        if role is not None:
            body["chat_template_kwargs"] = {"role": role}
        where = f"{self.name} in the role {role}" if role else self.name
        address = f"{self.url}/e/{self.name}/v1/chat/completions"
        try:
            response = await self.client.post(address, json=body)
        except httpx.HTTPError as error:
            raise ServiceError(f"{where}: {type(error).__name__}: {error}") from error
        if response.status_code != 200:
            raise ServiceError(f"{where}: HTTP {response.status_code}: {response.text}")
        return str(response.json()["choices"][0]["message"]["content"] or "")
