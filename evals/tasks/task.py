"""The way in to tasks: by the name of a shipped one, or the path of a file or folder."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from evals.tasks.loading import load_task
from evals.tasks.places import YAML, ZOO, shipped
from evals.tasks.sample import Sample, Task, score_many
from evals.tasks.spec import Split, TaskSpec
from evals.tasks.tables import is_table
from evals.tasks.templates import suggest
from experts.errors import ConfigError

__all__ = [
    "Sample",
    "Split",
    "Task",
    "TaskSpec",
    "asked",
    "find_tasks",
    "load_task",
    "load_tasks",
    "score_many",
]


def find_tasks(wanted: Collection[str]) -> tuple[Task, ...]:
    """The tasks that are named, each once, in their order; those of the zoo where none is.

    A name is that of a shipped task or one of its subtasks (`bbh/navigate`), or the path of a
    task's YAML file, of a data file, or of a folder of them. Raises ConfigError.
    """
    if not wanted:
        return tuple(load_tasks().values())
    places = dict.fromkeys(place for name in wanted for place in _places(name))
    tasks = [load_task(path, part) for path, part in places]
    names = [task.name for task in tasks]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(
            f"Several of these tasks are called {', '.join(twice)}.",
            hint="Give one of them another `name` in its YAML file, or rename the file.",
        )
    ids = [row.id for task in tasks for row in task.rows]
    if len(set(ids)) < len(ids):
        again = next(one for one in ids if ids.count(one) > 1)
        raise ConfigError(
            f"Two of the tasks {', '.join(names)} have the question {again}.",
            hint="A task holds all questions of its subtasks: name one or the other.",
        )
    return tuple(tasks)


def load_tasks(names: Collection[str] = (), folder: Path = ZOO) -> dict[str, Task]:
    """Every task of a folder by name, or those named; the zoo's by default.

    Raises ConfigError with the file's path.
    """
    known = {task.name: task for task in map(load_task, _files(folder))}
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ConfigError(
            f"No task is called {', '.join(unknown)}.", hint=f"Known tasks: {', '.join(known)}."
        )
    return {name: known[name] for name in known if not names or name in names}


def asked(tasks: Sequence[Task], split: Split) -> tuple[Task, ...]:
    """The tasks. Raises ConfigError where one has no question of a split that is to be asked."""
    for task in tasks:
        if not task.samples(split):
            raise ConfigError(
                f"The task {task.name} has no question of the split {split}.",
                hint="Write more questions, or say in its YAML file which are which: `split`,"
                " or `probe_share` where the data has no such column.",
            )
    return tuple(tasks)


def _places(name: str) -> Iterator[tuple[Path, str]]:
    """The files that a name means, each with the subtask that is wanted of it."""
    ours = shipped()
    head, _, part = name.partition("/")
    path = Path(name)
    if name in ours:
        yield ours[name], ""
    elif head in ours and part and not path.exists():
        yield ours[head], part
    elif "/" in name and path.is_dir():
        yield from ((file, "") for file in _files(path))
    elif path.suffix in YAML or is_table(name):
        yield path, ""
    elif path.parent.suffix in YAML:
        yield path.parent, path.name
    else:
        words = f"No task is called `{name}`{suggest(name, ours)}"
        raise ConfigError(
            words if words.endswith("?") else f"{words}.",
            hint="A task may also be the path of a YAML file, of a JSONL, JSON, CSV or parquet"
            " file, or of a folder (with a slash).",
        )


def _files(folder: Path) -> list[Path]:
    """The YAML files of a folder; its data files where it has none."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    found = [path for path in files if path.suffix in YAML]
    found = found or [path for path in files if is_table(path.name)]
    if not found:
        raise ConfigError(f"{folder} has no task: neither a YAML file nor a file of questions.")
    return found
