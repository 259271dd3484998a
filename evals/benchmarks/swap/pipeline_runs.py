"""The pipeline measurements: a batch, a load per request, and debates on one slot and on four."""

import statistics
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evals.benchmarks.swap.runs import ask_all, loads_of, serving_copies
from evals.client.ask import Answer, Question, ask
from evals.client.progress import Progress
from orchestrator.config.model import Config
from orchestrator.residency.machine.policy import (
    AHEAD,
    Policy,
    PolicyDecision,
    Rules,
    Transition,
    decide,
)
from orchestrator.residency.machine.state import CHOICE, FIRST, EngineState, SlotState

TAGGER, PANEL, LEAD = STAGES = ("tagger", "panel", "lead")


@dataclass(frozen=True, slots=True)
class PipelineRun:
    """One way to serve requests that take several experts each."""

    name: str
    requests: int
    loads: int
    seconds: float
    """From the first request to the last answer."""
    median_s: float
    """Of one request."""
    failures: int

    @property
    def seconds_each(self) -> float:
        """By requests."""
        return self.seconds / self.requests


class LoadsByStage:
    """The pool's policy, counting which stage each of its loads is for."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        """(expert, stage) -> loads."""

    def __call__(
        self, slots: Sequence[SlotState], waiting: Iterable[EngineState], now: float, rules: Rules
    ) -> PolicyDecision:
        """A policy."""
        decision = decide(slots, waiting, now, rules)
        for transition in decision.transitions:
            if transition.engine is not None:
                self.counts[transition.engine.name, _stage(transition, transition.engine)] += 1
        return decision

    def by_stage(self) -> dict[str, dict[str, int]]:
        """Stage -> expert -> loads, in the order of the stages."""
        return {
            stage: {expert: n for (expert, own), n in sorted(self.counts.items()) if own == stage}
            for stage in STAGES
        }


def _stage(transition: Transition, engine: EngineState) -> str:
    """That of the earliest request that waits for the load."""
    if transition.reason == AHEAD or engine.stage > FIRST:
        return LEAD
    return TAGGER if engine.stage == CHOICE else PANEL


async def run_batch(
    name: str,
    config: Config,
    questions: Sequence[Question],
    progress: Progress,
    policy: Policy = decide,
) -> PipelineRun:
    """All requests at once, of the batch class."""
    asked = await ask_all(name, config, questions, progress, policy)
    return _run(name, asked.answers, asked.loads, asked.seconds)


async def run_one_by_one(
    name: str, config: Config, questions: Sequence[Question], progress: Progress
) -> PipelineRun:
    """A request begins when the one before it is over."""
    answers: list[Answer] = []
    async with serving_copies(config, progress) as (service, client):
        done = progress.counting(name, len(questions), "answers")
        started = time.perf_counter()
        for question in questions:
            answers.append(await ask(client, f"{service.base_url}/v1", question, stream=False))
            done(answers[-1])
        seconds = time.perf_counter() - started
        loads = await loads_of(client, service)
    return _run(name, answers, loads, seconds)


def _run(name: str, answers: Sequence[Answer], loads: int, seconds: float) -> PipelineRun:
    median_s = statistics.median(answer.seconds for answer in answers)
    failures = sum(answer.error is not None for answer in answers)
    return PipelineRun(name, len(answers), loads, seconds, median_s, failures)
