"""The pool of the pipeline measurement: copies of the models, panels that differ, and a tagger."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evals.benchmarks.swap.workload import SLOT_GB, as_copy, question_of
from evals.client.ask import Question
from evals.tasks.task import Task
from experts.errors import ConfigError
from experts.spec import VllmSpec
from orchestrator.config.model import CompositionConfig, Config
from routers.outcomes import Outcome, OutcomeTable, Query

PIPELINE, DEBATE = "pool/pipeline", "pool/discussion"
PANEL = 3
PROBES = 40
"""Questions of each task in the outcome table: enough for the nearest to be of the same task."""
VERSION = "copy"
PATIENCE_S = 3600.0
"""A batch may wait: neither a lease nor a budget ends before."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pool whose requests are tagged, routed, answered by three experts and merged by a lead."""

    config: Config
    experts: tuple[str, ...]
    questions: tuple[Question, ...]
    """For `PIPELINE`."""

    def asked_of(self, composition: str, most: int) -> tuple[Question, ...]:
        """The first questions, for another composition."""
        return tuple(replace(question, model=composition) for question in self.questions[:most])


def make_pipeline(
    zoo: Config, tasks: Mapping[str, Task], experts: int, requests: int, seed: int, folder: Path
) -> Pipeline:
    """`experts` copies of the configuration's models behind a symbolic router.

    Its outcome table and its leads are written into `folder`. Every task has a panel of its own:
    the copies that were made for it, and others in turn; every copy of the tagger leads a part of
    the tasks. Raises ConfigError where the configuration has no symbolic composition with a tagger
    and a synthesis.
    """
    router, synthesis = _symbolic(zoo)
    models = {n: s for n, s in zoo.hosted().items() if isinstance(s, VllmSpec) and s.base is None}
    # The tagger first: a small pool has one, too.
    order = sorted(models, key=lambda name: name != router["tagger"])
    copies = [(name, f"{name}-{1 + n // len(order)}") for n, name in _repeated(order, experts)]
    aliases = tuple(alias for _, alias in copies)
    taggers = [alias for name, alias in copies if name == router["tagger"]]
    table = OutcomeTable.read(Path(router["outcomes"]))
    panels = _panels(table, copies, [task for task in tasks if task in _tasks_of(table)])
    _probes(table, panels, aliases).write(folder / "outcomes.parquet")
    _write_leads(
        folder / "leads.json", {t: taggers[n % len(taggers)] for n, t in enumerate(panels)}
    )
    symbolic = router | {
        "outcomes": str(folder / "outcomes.parquet"),
        "leads": str(folder / "leads.json"),
        "tagger": taggers[0],
        "experts": PANEL,
    }
    specs = {alias: as_copy(models[name]) for name, alias in copies}
    config = _config(zoo, specs, symbolic, synthesis)
    questions = [
        question_of(tasks[task], PIPELINE, number) for number in range(requests) for task in panels
    ][:requests]
    random.Random(seed).shuffle(questions)
    return Pipeline(config, aliases, tuple(questions))


def _symbolic(zoo: Config) -> tuple[dict[str, Any], dict[str, Any]]:
    """The keys of a router that tags, and of the synthesis behind it."""
    for composition in zoo.compositions.values():
        router = zoo.routers[composition.router]
        aggregator = composition.aggregator
        if isinstance(aggregator, str):
            aggregator = zoo.aggregators.get(aggregator)
        tags = router["type"] == "symbolic_moe" and router.get("tag_requests")
        if tags and aggregator is not None and aggregator["type"] == "synthesize":
            return router, aggregator
    raise ConfigError(
        "No composition has a router of type symbolic_moe with tag_requests and a synthesis.",
        hint="examples/zoo.yaml has one: pool/symbolic.",
    )


def _repeated(names: Sequence[str], count: int) -> list[tuple[int, str]]:
    return [(number, names[number % len(names)]) for number in range(count)]


def _tasks_of(table: OutcomeTable) -> set[str]:
    return {query.task for query in table.queries()}


def _panels(
    table: OutcomeTable, copies: Sequence[tuple[str, str]], tasks: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Task -> who answers it: copies of the model that is best at it, the others in turn."""
    queries, names, scores = table.matrix()
    panels: dict[str, tuple[str, ...]] = {}
    for number, task in enumerate(tasks):
        rows = [row for row, query in enumerate(queries) if query.task == task]
        means = dict(zip(names, scores[rows].mean(axis=0), strict=True))
        best = max((name for name, _ in copies), key=lambda name: means.get(name, 0.0))
        own = [alias for name, alias in copies if name == best][: PANEL - 1]
        others = [alias for name, alias in copies if name != best]
        turn = [others[(number + step) % len(others)] for step in range(len(others))]
        panels[task] = tuple([*own, *turn][:PANEL])
    return panels


def _probes(
    table: OutcomeTable, panels: Mapping[str, Sequence[str]], aliases: Sequence[str]
) -> OutcomeTable:
    """A table in which every task's panel is right, and nobody else is."""
    chosen: dict[str, list[Query]] = {task: [] for task in panels}
    for query in table.queries():
        if query.task in chosen and len(chosen[query.task]) < PROBES:
            chosen[query.task].append(query)
    kept = [query for queries in chosen.values() for query in queries]
    rows = [
        Outcome(q.id, q.task, q.text, alias, VERSION, float(alias in panels[q.task]))
        for q in kept
        for alias in aliases
    ]
    made = OutcomeTable.from_rows(rows)
    return OutcomeTable(
        made.rows,
        {query.id: table.vectors[query.id] for query in kept if query.id in table.vectors},
        table.encoder,
        {query.id: query.skills for query in kept},
        table.tagger,
    )


def _write_leads(path: Path, leads: Mapping[str, str]) -> None:
    tasks = {task: {lead: [1, 1]} for task, lead in leads.items()}
    tree = {"versions": {}, "prompt": "", "tasks": tasks}
    path.write_text(json.dumps(tree), encoding="utf-8")


def _config(
    zoo: Config, specs: dict[str, VllmSpec], symbolic: dict[str, Any], synthesis: dict[str, Any]
) -> Config:
    budget = {"seconds": PATIENCE_S}
    compositions = {
        PIPELINE: CompositionConfig(router="symbolic", aggregator=synthesis, budget=budget),
        # The baselines of the paper have no tagger: the panel follows from similar questions.
        DEBATE: CompositionConfig(router="nearest", aggregator={"type": "debate"}, budget=budget),
    }
    return zoo.model_copy(
        update={
            "experts": specs,
            "routers": {"symbolic": symbolic, "nearest": symbolic | {"tag_requests": False}},
            "aggregators": {},
            "compositions": compositions,
            "slots": zoo.slots.model_copy(
                update={"count": 1, "memory_gb": SLOT_GB, "preload": False}
            ),
            "server": zoo.server.model_copy(update={"lease_timeout_s": PATIENCE_S}),
        }
    )
