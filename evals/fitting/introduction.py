"""What a running service needs to introduce a new expert to its routers: see `expert_add`."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evals.fitting.expert_add import Change, compare, informative, table_of
from evals.fitting.probes import Probe, probes_of, scored
from evals.fitting.profile import current, missing_probes, read_table
from evals.fitting.unasked import why_unasked
from evals.tasks.judged import check_judges, grades
from evals.tasks.task import find_tasks
from experts.errors import ConfigError, CoterieError
from experts.files.versions import expert_version
from orchestrator.cli.router_fitting import fittable, fitted_router
from orchestrator.config.model import Config
from orchestrator.reload.introducing import Answer, Ask
from orchestrator.server.bodies.reload import Probed, ProbedTask, Shift
from routers.features import MiniLMEncoder
from routers.fitted.router import FittedRouter
from routers.outcomes import Outcome, OutcomeTable


@dataclass(frozen=True, slots=True)
class Asked:
    """Answers of one expert that have a score, and how many questions have none."""

    rows: tuple[Outcome, ...]
    failed: int
    error: str
    """Why a question has no answer; empty where all have one."""

    @property
    def why_nothing(self) -> str:
        """Why there are no rows; empty where there are some."""
        if self.rows:
            return ""
        if self.error:
            return f"None of {self.failed} questions was answered: {self.error}"
        if self.failed:
            return "None of its answers could be scored."
        return "The table has its answers to these questions already."


async def introduce(before: Config, grown: Config, expert: str, count: int, ask: Ask) -> Probed:
    """Ask a new expert, fit the routers again; see `orchestrator.reload.introducing.Introduce`."""
    settings = grown.server.probes
    names = fittable(grown)
    if not names:
        raise ConfigError("No router learns from outcomes: there is nothing to introduce it to.")
    table, encoder = table_of(grown), MiniLMEncoder()
    found = await asyncio.to_thread(find_tasks, tuple(settings.tasks))
    check_judges(found, grown.answering)
    probes = await asyncio.to_thread(informative, table, before, encoder, probes_of(found), count)
    if not probes:
        raise ConfigError(
            f"{table} has no question whose answers could be scored.",
            hint="Name the tasks that its questions come from in `server.probes.tasks`.",
        )
    routers = {name: await asyncio.to_thread(fitted_router, before, name) for name in names}
    version = await asyncio.to_thread(expert_version, expert, grown.experts)
    known = await asyncio.to_thread(read_table, table)
    table_now = current(known, {expert: version}, probes) if known is not None else None
    missing = missing_probes(table_now, expert, version, probes)
    asked = await _asked(missing, expert, version, ask, settings.in_flight)
    changes = await asyncio.to_thread(
        _refit, table, table_now, asked.rows, encoder, grown, routers, expert
    )
    return _told(asked, changes)


async def _asked(
    probes: Sequence[Probe], expert: str, version: str, ask: Ask, in_flight: int
) -> Asked:
    places = asyncio.Semaphore(in_flight)
    errors: list[str] = []

    async def answer(probe: Probe) -> Answer | None:
        async with places:
            try:
                return await ask(expert, probe.task.body(probe.sample))
            except CoterieError as error:
                errors.append(str(error))
                return None

    async def told(judge: str, body: dict[str, Any]) -> str:
        async with places:
            return (await ask(judge, body)).text

    answers = await asyncio.gather(*map(answer, probes))
    there = [(p, a) for p, a in zip(probes, answers, strict=True) if a is not None]
    by_rule = [(probe, one) for probe, one in there if not probe.judged]
    judged = [(probe, one) for probe, one in there if probe.judged]
    scores = await asyncio.to_thread(scored, [(probe, one.text) for probe, one in by_rule])
    pairs = list(zip(by_rule, scores, strict=True))
    given = await grades(told, [(p.task, p.sample, one.text) for p, one in judged])
    pairs += [
        (pair, one.score) for pair, one in zip(judged, given, strict=True) if one.score is not None
    ]
    rows = tuple(_outcome(probe, one, score, expert, version) for (probe, one), score in pairs)
    return Asked(rows, len(probes) - len(rows), errors[0] if errors else "")


def _refit(
    path: Path,
    table: OutcomeTable | None,
    rows: Sequence[Outcome],
    encoder: MiniLMEncoder,
    grown: Config,
    before: Mapping[str, FittedRouter],
    expert: str,
) -> list[Change]:
    """Write the rows, and fit every router with them."""
    if rows:
        table = table.append(rows) if table is not None else OutcomeTable.from_rows(rows)
        table.with_embeddings(encoder).write(path)
    changes = []
    for name, old in before.items():
        made = fitted_router(grown, name)
        artifact = grown.routers[name].get("artifact")
        if artifact:
            made.save(Path(artifact))
        why = why_unasked(expert, made.fitted)
        changes.append(compare(name, old, made, Path(artifact) if artifact else None, why))
    return changes


def _told(asked: Asked, changes: Sequence[Change]) -> Probed:
    by_task: dict[str, list[float]] = defaultdict(list)
    for row in asked.rows:
        by_task[row.task].append(row.score)
    scores = [row.score for row in asked.rows]
    tasks: list[ProbedTask] = [
        {"task": task, "asked": len(own), "mean_score": _rounded(np.mean(own))}
        for task, own in sorted(by_task.items())
    ]
    return {
        "asked": len(asked.rows) + asked.failed,
        "failed": asked.failed,
        "mean_score": _rounded(np.mean(scores)) if scores else 0.0,
        "tasks": tasks,
        "shifts": [_shift(change) for change in changes],
        "why": asked.why_nothing,
    }


def _shift(change: Change) -> Shift:
    before, after = change.predicted
    return {
        "router": change.router,
        "before": {name: _rounded(share) for name, share in change.before.items()},
        "after": {name: _rounded(share) for name, share in change.after.items()},
        "predicted_before": _rounded(before),
        "predicted_after": _rounded(after),
        "why": change.why,
    }


def _outcome(probe: Probe, answer: Answer, score: float, expert: str, version: str) -> Outcome:
    return Outcome(
        probe.sample.id,
        probe.task.name,
        probe.sample.question,
        expert,
        version,
        score,
        answer.completion_tokens,
        answer.seconds,
        answer.text,
    )


def _rounded(value: Any) -> float:
    return round(float(value), 4)
