"""`coterie profile`: every expert answers every probe question once, for the routers."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rich.console import Console

from evals.client.ask import Answer, Question, ask_many, describe_failures
from evals.client.progress import Progress
from evals.client.service import serving, without_routers
from evals.fitting import symbolic_moe as symbolic
from evals.fitting.grading import score_answers
from evals.fitting.probes import Probe, probes_of, scored
from evals.fitting.zero_scores import zero_score_warnings
from evals.reporting.numbers import counted
from evals.reporting.table import Finish, say
from evals.tasks.judged import check_judges
from evals.tasks.task import find_tasks
from experts.errors import ConfigError
from experts.files.versions import expert_version
from experts.openai import ExpertClient
from orchestrator.config.model import Config
from routers.base import Encoder
from routers.features import MiniLMEncoder
from routers.outcomes import Outcome, OutcomeTable

IN_FLIGHT = 32


@dataclass(frozen=True, slots=True)
class Profile:
    """What a run did; the table is on disk."""

    path: Path
    rows: int
    asked: int
    kept: int
    failures: tuple[Answer, ...]
    warnings: tuple[str, ...] = ()
    """About experts that score 0 throughout."""


async def profile(
    progress: Progress, settings: Config, names: tuple[str, ...], out: Path | None
) -> Finish:
    """Serve the experts, ask them, and write the outcome table. Raises ConfigError, ServiceError.

    What Symbolic-MoE routers want to know besides is asked as well.
    """
    tasks = find_tasks(names)
    check_judges(tasks, settings.answering)
    probes = probes_of(tasks)
    # Who puts answers together best is measured where that needs no judge.
    by_rule = [probe for probe in probes if not probe.judged]
    path = out or _outcomes(settings)
    versions = {name: expert_version(name, settings.experts) for name in settings.answering}
    wanted = symbolic.wanted(settings)
    if out is not None:
        wanted = wanted.beside(out)
    encoder = MiniLMEncoder()
    complete = await asyncio.to_thread(is_complete, path, versions, probes)
    if complete and wanted == symbolic.NOTHING:
        progress.say(f"{path} has every answer already: nothing is asked, no engine is started")
        result = await run_profile("", versions, probes, path, encoder, progress)
        return partial(print_profile, profile=result)
    async with serving(without_routers(settings), progress) as service:
        url = service.base_url
        result = await run_profile(url, versions, probes, path, encoder, progress)
        failed = await symbolic.prepare(url, wanted, path, by_rule, versions, progress)
    result = replace(result, failures=(*result.failures, *failed))
    return partial(print_profile, profile=result)


async def run_profile(
    base_url: str,
    versions: Mapping[str, str],
    probes: Sequence[Probe],
    path: Path,
    encoder: Encoder,
    progress: Progress,
) -> Profile:
    """Ask what the table at `path` lacks, one expert after the other, and write it after each.

    `versions` maps every expert to what tells its versions apart. A failed call, or an answer that
    its judge did not grade, leaves no row, so that the next run asks again. Blocks the event loop
    while it embeds new questions.
    Raises ConfigError when the file is there but is no outcome table.
    """
    before = await asyncio.to_thread(read_table, path)
    table = current(before, versions, probes) if before is not None else None
    kept, asked = _count(table), 0
    failures: list[Answer] = []
    async with ExpertClient() as client:
        for expert, version in versions.items():
            missing = missing_probes(table, expert, version, probes)
            if not missing:
                continue
            answers = await _ask(client, base_url, expert, missing, progress)
            found, lost = await score_answers(client, base_url, missing, answers, progress)
            rows = [_outcome(*one, expert, version) for one in found]
            asked += len(answers)
            failures += lost
            if rows:
                table = table.append(rows) if table else OutcomeTable.from_rows(rows)
                table.write(path)
    warnings: tuple[str, ...] = ()
    if table is not None:
        progress.doing("embedding the questions")
        table = table.with_embeddings(encoder)
        table.write(path)
        warnings = zero_score_warnings(table, versions, probes)
    return Profile(path, _count(table), asked, kept, tuple(failures), warnings)


def read_table(path: Path) -> OutcomeTable | None:
    """The outcome table at `path`, if there is one. Raises ConfigError where it is none."""
    return OutcomeTable.read(path) if path.exists() else None


def current(
    table: OutcomeTable, versions: Mapping[str, str], probes: Sequence[Probe]
) -> OutcomeTable | None:
    """The table without what has been overtaken: old versions, and questions that have changed.

    Answers to the probes are scored again, since a task may have got a better scorer; grades that
    an expert gave, and rows of other experts and questions, stay as they are. None when nothing is
    left.
    """
    probe_of = {probe.sample.id: probe for probe in probes}
    by_rule = {probe.sample.id for probe in probes if not probe.judged}
    rows: list[Outcome] = []
    again: list[tuple[Probe, str]] = []
    for outcome in (Outcome(**row) for row in table.rows.to_pylist()):
        probe = probe_of.get(outcome.query_id)
        if versions.get(outcome.expert, outcome.expert_version) != outcome.expert_version:
            continue
        if probe and (outcome.task, outcome.query) != (probe.task.name, probe.sample.question):
            continue
        rows.append(outcome)
        again += [(probe, outcome.text)] if probe and outcome.query_id in by_rule else []
    if not rows:
        return None
    scores = iter(scored(again))
    rows = [replace(o, score=next(scores)) if o.query_id in by_rule else o for o in rows]
    left = {row.query_id for row in rows}
    vectors = {query: vector for query, vector in table.vectors.items() if query in left}
    skills = {query: words for query, words in table.skills.items() if query in left}
    return replace(
        OutcomeTable.from_rows(rows),
        vectors=vectors,
        encoder=table.encoder,
        skills=skills,
        tagger=table.tagger,
    )


def is_complete(path: Path, versions: Mapping[str, str], probes: Sequence[Probe]) -> bool:
    """Whether the table at `path` has what every expert says to every probe; it asks nobody.

    Raises ConfigError where the file is no outcome table.
    """
    before = read_table(path)
    table = current(before, versions, probes) if before is not None else None
    return not any(missing_probes(table, *expert, probes) for expert in versions.items())


def missing_probes(
    table: OutcomeTable | None, expert: str, version: str, probes: Sequence[Probe]
) -> list[Probe]:
    """The probes that this version of the expert has not answered yet."""
    if table is None:
        return list(probes)
    columns = (table.rows[name].to_pylist() for name in ("query_id", "expert", "expert_version"))
    answered = {query for query, *who in zip(*columns, strict=True) if who == [expert, version]}
    return [probe for probe in probes if probe.sample.id not in answered]


def print_profile(console: Console, profile: Profile) -> int:
    """Say what there is now; returns the exit code."""
    for sentence in describe_failures(profile.failures):
        say(console, sentence)
    say(
        console,
        f"{profile.path}: {profile.rows} outcomes ({profile.kept} were there),"
        f" {counted(profile.asked, 'question')} asked, {len(profile.failures)} failed",
    )
    for sentence in profile.warnings:
        say(console, f"Warning: {sentence}", "bold yellow")
    return 1 if profile.failures else 0


async def _ask(
    client: ExpertClient,
    base_url: str,
    expert: str,
    probes: Sequence[Probe],
    progress: Progress,
) -> list[Answer]:
    questions = [Question.of(probe.task, probe.sample, expert) for probe in probes]
    started = time.perf_counter()
    answers = await ask_many(
        client,
        f"{base_url}/v1",
        questions,
        in_flight=IN_FLIGHT,
        stream=False,
        on_answer=progress.counting(f"asking {expert}", len(questions), "probe questions"),
    )
    seconds = time.perf_counter() - started
    progress.say(f"{expert}: {len(questions)} probe questions asked in {seconds:.1f} s")
    return answers


def _outcome(probe: Probe, answer: Answer, score: float, expert: str, version: str) -> Outcome:
    return Outcome(
        query_id=probe.sample.id,
        task=probe.task.name,
        query=probe.sample.question,
        expert=expert,
        expert_version=version,
        score=score,
        completion_tokens=answer.completion_tokens,
        seconds=answer.seconds,
        text=answer.text,
    )


def _count(table: OutcomeTable | None) -> int:
    return 0 if table is None else len(table)


def _outcomes(settings: Config) -> Path:
    """The table that the configuration's routers read. Raises ConfigError."""
    for router in settings.routers.values():
        if "outcomes" in router:
            return Path(router["outcomes"])
    raise ConfigError("No router of the configuration reads an outcome table; name one with --out.")
