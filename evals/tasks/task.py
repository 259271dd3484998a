"""A task: questions with known answers, described by one YAML file and one JSONL file."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from evals.tasks.scorers import SCORERS
from experts.errors import ConfigError

Split = Literal["probe", "test"]
TASKS = Path(__file__).parent


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Sample(_Row):
    """One question; `keywords` name the skills that it needs."""

    id: str
    split: Split
    question: str
    answer: str
    keywords: tuple[str, ...] = ()
    fields: dict[str, Any] = {}


class TaskSpec(_Row):
    """What a task's YAML file says; a new `version` means that scores changed their meaning."""

    name: str
    version: int = Field(ge=1)
    description: str
    data: Path
    scorer: str
    max_tokens: int = Field(ge=1)
    skill: str

    @field_validator("scorer")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in SCORERS:
            raise ValueError(f"must be one of {', '.join(sorted(SCORERS))}")
        return value


@dataclass(frozen=True, slots=True)
class Task:
    """A task with its questions."""

    spec: TaskSpec
    rows: tuple[Sample, ...]

    @property
    def name(self) -> str:
        """The name under which tables show it."""
        return self.spec.name

    def samples(self, split: Split) -> tuple[Sample, ...]:
        """The questions of one split, in the file's order."""
        return tuple(row for row in self.rows if row.split == split)

    def score(self, sample: Sample, text: str) -> float:
        """Quality of an answer in 0..1."""
        return SCORERS[self.spec.scorer](sample, text)


def load_tasks(names: Collection[str] = (), folder: Path = TASKS) -> dict[str, Task]:
    """Every task of a folder by name, or those named. Raises ConfigError with the file's path."""
    tasks = [load_task(path) for path in sorted(folder.glob("*.yaml"))]
    known = {task.name: task for task in tasks}
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ConfigError(
            f"No task is called {', '.join(unknown)}.", hint=f"Known tasks: {', '.join(known)}."
        )
    return {name: known[name] for name in known if not names or name in names}


def find_tasks(wanted: Collection[str]) -> tuple[Task, ...]:
    """Tasks by name, or by the path of their YAML file or folder; all of ours where none is wanted.

    Raises ConfigError.
    """
    if not wanted:
        return tuple(load_tasks().values())
    files = [name for name in wanted if Path(name).suffix in (".yaml", ".yml")]
    folders = [name for name in wanted if "/" in name and Path(name).is_dir()]
    names = [name for name in wanted if name not in (*files, *folders)]
    ours = load_tasks(names).values() if names else ()
    others = [task for name in folders for task in load_tasks(folder=Path(name)).values()]
    return (*ours, *others, *(load_task(Path(file)) for file in files))


def load_task(path: Path) -> Task:
    """Read one task and its rows. Raises ConfigError with every problem found."""
    try:
        tree = yaml.safe_load(_read(path))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML.", problems=(" ".join(str(error).split()),)) from (
            error
        )
    try:
        spec = TaskSpec.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(f"{path} is not a task.", problems=_explain(error)) from error
    return Task(spec, _load_rows(path.parent / spec.data))


def _load_rows(path: Path) -> tuple[Sample, ...]:
    rows: list[Sample] = []
    problems: list[str] = []
    for number, line in enumerate(_read(path).splitlines(), start=1):
        try:
            rows.append(Sample.model_validate_json(line))
        except ValidationError as error:
            problems += [f"line {number}: {problem}" for problem in _explain(error)]
    times = Counter(row.id for row in rows)
    problems += [f"the id {name} appears {n} times" for name, n in times.items() if n > 1]
    if problems:
        raise ConfigError(f"{path} has rows that are not samples.", problems=tuple(problems))
    return tuple(rows)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}.") from error


def _explain(error: ValidationError) -> tuple[str, ...]:
    """Pydantic's problems, each with the path of its key."""
    return tuple(
        f"{'.'.join(map(str, problem['loc'])) or '(top level)'}: {problem['msg']}"
        for problem in error.errors()
    )
