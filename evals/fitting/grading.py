"""Scores of answers to probe questions: by rules, or by the expert that grades them."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from evals.client.ask import Answer
from evals.client.progress import Progress
from evals.fitting.probes import Probe, scored
from evals.scoring.grading import Ask
from evals.tasks.judged import grades
from experts.engine import stream
from experts.openai import Endpoint, ExpertClient, OpenAIEngine
from experts.types import Request

IN_FLIGHT = 32
Scored = tuple[Probe, Answer, float]


async def score_answers(
    client: ExpertClient,
    base_url: str,
    probes: Sequence[Probe],
    answers: Sequence[Answer],
    progress: Progress,
) -> tuple[list[Scored], list[Answer]]:
    """The answers with their scores in 0..1, and those that have none, with an error that says why.

    `base_url` is that of a running service, without /v1; its experts grade what no rule scores.
    """
    failures = [answer for answer in answers if answer.error is not None]
    there = [
        (probe, answer)
        for probe, answer in zip(probes, answers, strict=True)
        if answer.error is None
    ]
    by_rule = [(probe, answer) for probe, answer in there if not probe.judged]
    scores = scored([(probe, answer.text) for probe, answer in by_rule])
    found = [(*pair, score) for pair, score in zip(by_rule, scores, strict=True)]
    judged = [(probe, answer) for probe, answer in there if probe.judged]
    if not judged:
        return found, failures
    progress.doing(f"grading {len(judged)} answers")
    given = await grades(
        _through(client, base_url),
        [(probe.task, probe.sample, answer.text) for probe, answer in judged],
    )
    for (probe, answer), one in zip(judged, given, strict=True):
        if one.score is None:
            failures.append(replace(answer, error=one.problem))
        else:
            found.append((probe, answer, one.score))
    return found, failures


def _through(client: ExpertClient, base_url: str) -> Ask:
    """Asks experts of a running service, so many at a time."""
    places = asyncio.Semaphore(IN_FLIGHT)

    async def ask(expert: str, body: dict[str, Any]) -> str:
        engine = OpenAIEngine(Endpoint(expert, f"{base_url}/v1", expert), client)
        async with (
            places,
            aclosing(stream(engine, Request("judge", "chat/completions", body))) as chunks,
        ):
            return "".join([chunk.text async for chunk in chunks])

    return ask
