"""What `coterie eval run` was told, and the head of the run that follows from it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from evals.runs.asking.asker import Retries
from evals.runs.asking.cache import FILE, default_cache
from evals.runs.questions import Sampling, Splits, task_info
from evals.runs.record import ExpertInfo, RunInfo, SubjectInfo
from evals.runs.subjects.pool import Subject
from evals.tasks.task import Task
from orchestrator.config.model import Config

GREEDY, FOUR_TIMES = Sampling(), Retries()


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of the command."""

    tasks: tuple[str, ...]
    models: tuple[str, ...]
    out: Path
    split: Splits = "test"
    limit: int | None = None
    sampling: Sampling = GREEDY
    in_flight: int = 64
    retries: Retries = FOUR_TIMES
    timeout_s: float = 3600.0
    cache: Path | None = None
    """None: the user's."""
    shared: bool = True
    """Whether other runs may use the answers, and this one theirs."""
    url: str | None = None
    """Without /v1."""
    api_key: str | None = None

    def cache_path(self, opaque: bool) -> Path:
        """Where answers are kept; of an opaque server, nobody knows for how long they hold."""
        if opaque or not self.shared:
            return self.out / FILE
        return self.cache or default_cache()


def head_of(
    options: RunOptions,
    settings: Config | None,
    subjects: Sequence[Subject],
    tasks: Sequence[Task],
    versions: Mapping[str, str],
) -> RunInfo:
    """The head of a run that begins now."""
    experts = {} if settings is None else settings.answering
    return RunInfo(
        created=datetime.now(UTC).isoformat(),
        config=_digest(settings, options.url),
        seed=options.sampling.seed,
        temperature=options.sampling.temperature,
        samples=options.sampling.samples,
        limit=options.limit,
        subjects=tuple(SubjectInfo(name=one.name, kind=one.kind) for one in subjects),
        experts={
            name: ExpertInfo(
                version=versions[name],
                price_usd_per_mtok=spec.price_usd_per_mtok,
                memory_gb=getattr(spec, "memory_gb", None),
            )
            for name, spec in experts.items()
        },
        tasks=tuple(task_info(task) for task in tasks),
    )


def _digest(settings: Config | None, url: str | None) -> str:
    """Of what decides and answers; where it runs, and with which keys, changes no answer."""
    if settings is None:
        return hashlib.sha256(f"{url}".encode()).hexdigest()[:16]
    parts = {"routers", "aggregators", "compositions", "experts"}
    tree = settings.model_dump(mode="json", by_alias=True, include=parts)
    for spec in tree["experts"].values():
        spec.pop("api_key", None)
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:16]
