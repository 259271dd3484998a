"""`coterie expert add`: a new expert answers a few questions, and every router is refitted."""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console

from evals.client.progress import Progress
from evals.client.service import serving
from evals.fitting.new_expert import with_expert
from evals.fitting.probes import Probe, probes_of
from evals.fitting.profile import Profile, print_profile, run_profile
from evals.fitting.unasked import why_unasked
from evals.reporting.table import Finish, print_table, say, tenths
from evals.tasks.judged import check_judges, judges_of
from evals.tasks.task import find_tasks
from experts.errors import ConfigError
from experts.files.versions import expert_version
from orchestrator.cli.remote import call
from orchestrator.cli.router_fitting import fittable, fitted_router
from orchestrator.config.model import Config, load_config
from routers.base import Encoder
from routers.features import MiniLMEncoder
from routers.fitted.probing import most_informative
from routers.fitted.router import FittedRouter
from routers.fitted.training_set import read_training_set


@dataclass(frozen=True, slots=True)
class Change:
    """What a refit does to one router."""

    router: str
    before: Mapping[str, float]
    """Share of the questions that each expert would be asked."""
    after: Mapping[str, float]
    predicted: tuple[float, float]
    """Mean predicted quality of who is asked, before and after."""
    artifact: Path | None
    why: str = ""
    """Why the new expert is asked nothing; empty where it is asked something."""

    @property
    def changes(self) -> bool:
        """Whether anybody is asked more, or less, than before."""
        return self.before != self.after


async def add_file(
    progress: Progress,
    file: Path,
    config: Path,
    tasks: tuple[str, ...],
    count: int,
    url: str | None,
    api_key: str | None,
) -> Finish:
    """Add the expert that `file` has and `config` lacks; reload the routers of `url`.

    Its questions are those of the outcome table that are in `tasks`; by default in ours.

    Raises ConfigError, ServiceError.
    """
    settings = load_config(config)
    name, grown = with_expert(settings, config, file)
    finish = await add(progress, settings, name, grown, count, tasks)
    if url is not None:
        progress.doing("telling the running service")
        for router in fittable(grown):
            await asyncio.to_thread(call, "POST", url, f"/coterie/routers/{router}/reload", api_key)
        progress.say(f"{url} now uses the new routers, and asks {name} once it is in its pool")
    return finish


async def add(
    progress: Progress,
    settings: Config,
    name: str,
    grown: Config,
    count: int,
    tasks: tuple[str, ...] = (),
) -> Finish:
    """Ask `name`, which only `grown` has, and refit; returns what prints the changes."""
    table = table_of(grown)
    encoder = MiniLMEncoder()
    found = find_tasks(tasks)
    check_judges(found, grown.answering)
    probes = informative(table, settings, encoder, probes_of(found), count)
    if not probes:
        raise ConfigError(
            f"{table} has no question of {', '.join(tasks) or 'the zoo'} that could be scored.",
            hint="Name the tasks that its questions come from with --task.",
        )
    names = fittable(grown)
    before = {router: fitted_router(settings, router) for router in names}
    profile = await _ask(progress, grown, name, probes, table, encoder)
    progress.doing("fitting the routers again")
    changes = []
    for router in names:
        made = fitted_router(grown, router)
        artifact = grown.routers[router].get("artifact")
        if artifact:
            made.save(Path(artifact))
        why = why_unasked(name, made.fitted)
        changes.append(
            compare(router, before[router], made, Path(artifact) if artifact else None, why)
        )
    return partial(print_changes, changes=changes, name=name, profile=profile)


def informative(
    table: Path, settings: Config, encoder: Encoder, probes: Sequence[Probe], count: int
) -> list[Probe]:
    """At most `count` of the probes: those of the table that tell most about a new expert."""
    evidence, _ = read_training_set(table, tuple(settings.answering), encoder, "routers")
    probe_of = {probe.sample.id: probe for probe in probes}
    wanted = [evidence.queries[row].id for row in most_informative(evidence, len(evidence.queries))]
    return [probe_of[query] for query in wanted if query in probe_of][:count]


def compare(
    name: str, before: FittedRouter, after: FittedRouter, artifact: Path | None, why: str = ""
) -> Change:
    """Route all questions of the table in both ways."""
    shares, predicted = [], []
    for one in (before, after):
        evidence = one.fitted.training_set
        asked = one.fitted.scores(evidence.vectors).argmax(axis=1)
        counts = Counter(evidence.experts[column] for column in asked)
        shares.append({expert: n / len(asked) for expert, n in counts.most_common()})
        # What it predicts by itself: how far it is trusted changes with every fit.
        own = one.fitted.predictor.predict(evidence.vectors)
        predicted.append(float(np.clip(own[np.arange(len(own)), asked], 0, 1).mean()))
    return Change(name, shares[0], shares[1], (predicted[0], predicted[1]), artifact, why)


def print_changes(console: Console, changes: Sequence[Change], name: str, profile: Profile) -> int:
    """Print how routing changes; returns the exit code."""
    code = print_profile(console, profile)
    if not profile.asked:
        say(console, f"{name} was asked nothing new: the table has its answers already.")
    for change in changes:
        say(console)
        low, high = change.predicted
        say(
            console,
            f"{change.router}: predicted accuracy {tenths(low)} % -> {tenths(high)} % of the"
            " questions of its table",
        )
        experts = sorted({*change.before, *change.after}, key=lambda e: -change.after.get(e, 0))
        rows = [
            [e, tenths(change.before.get(e, 0)), tenths(change.after.get(e, 0))] for e in experts
        ]
        bold = experts.index(name) if name in experts else -1
        print_table(console, ["asked %", "before", "after"], rows, bold=bold)
        if change.why:
            nothing = "" if change.changes else " nothing changes:"
            say(console, f"{change.router}:{nothing} {change.why}", "bold yellow")
        if change.artifact:
            say(console, f"wrote {change.artifact}")
    return code


async def _ask(
    progress: Progress,
    grown: Config,
    name: str,
    probes: Sequence[Probe],
    table: Path,
    encoder: MiniLMEncoder,
) -> Profile:
    alone = only(grown, {name, *judges_of([probe.task for probe in probes]).values()})
    version = {name: expert_version(name, grown.experts)}
    async with serving(alone, progress) as service:
        return await run_profile(service.base_url, version, probes, table, encoder, progress)


def only(config: Config, names: Collection[str]) -> Config:
    """The configuration with these experts and their bases, and nothing that asks others."""
    bases = {getattr(config.experts[name], "base", None) for name in names}
    kept = {name: spec for name, spec in config.experts.items() if name in {*names, *bases}}
    nobody: dict[str, object] = {"routers": {}, "aggregators": {}, "compositions": {}}
    return config.model_copy(update={"experts": kept, **nobody})


def table_of(config: Config) -> Path:
    """The outcome table that all its fitted routers read. Raises ConfigError."""
    tables = {Path(config.routers[name]["outcomes"]) for name in fittable(config)}
    if len(tables) != 1:
        raise ConfigError(
            f"The fitted routers read {len(tables)} outcome tables; one is needed.",
            hint="`coterie profile --config FILE` writes one.",
        )
    return tables.pop()
