"""Reads one task: its keys, its rows, its questions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from aggregators.answers.values import NUMBER
from evals.scoring.registry import make_scorer
from evals.tasks.drafts import Draft, RowProblem, drafts
from evals.tasks.few_shot import with_examples
from evals.tasks.places import YAML, rows_of, shipped
from evals.tasks.sample import Sample, Task
from evals.tasks.spec import AUTO, TaskSpec
from evals.tasks.templates import suggest
from experts.errors import ConfigError
from experts.files.jsonl import GZIP, read_text
from experts.files.yaml_text import parse_yaml
from experts.mistakes import explain
from routers.base import Encoder
from routers.registry import shared_encoder

MOST_PROBLEMS = 20
"""How many wrong rows a message names; the others are counted."""
LETTERS = frozenset("ABCDEFGHIJ")


@dataclass(frozen=True, slots=True)
class _File:
    """The keys of a task, where they stand, and the folder of the file that names the data."""

    name: str
    spec: TaskSpec
    folder: Path


def load_task(path: Path, part: str = "", encoder: Callable[[], Encoder] | None = None) -> Task:
    """Read a YAML file, or a data file alone; `part` is one of its subtasks.

    `encoder` finds similar examples; by default that of the routers. Raises ConfigError with
    every problem found.
    """
    if path.suffix in YAML:
        keys, folder = _tree(path, ())
    else:
        keys, folder = {"data": path.name}, path.parent
    keys = {**keys, "name": keys.get("name") or _name(path)}
    try:
        spec = TaskSpec.model_validate(keys)
    except ValidationError as error:
        problems = tuple(one.removeprefix(": ") for one in explain(TaskSpec, error))
        raise ConfigError(f"{path} is not a task.", problems=problems) from error
    file = _File(str(path), spec, folder)
    makers = encoder or shared_encoder()
    if part:
        if part not in spec.subtasks:
            raise ConfigError(f"{path} has no subtask `{part}`{suggest(part, spec.subtasks)}")
        return _one(_File(file.name, spec.of(part), folder), makers)
    if not spec.subtasks:
        return _one(file, makers)
    parts = {name: _one(_File(file.name, spec.of(name), folder), makers) for name in spec.subtasks}
    return _together(spec, parts)


def _together(spec: TaskSpec, parts: Mapping[str, Task]) -> Task:
    """One task of all subtasks; a question's category is its subtask."""
    rows = tuple(replace(row, category=name) for name, part in parts.items() for row in part.rows)
    whole = spec.model_copy(update={"skill": spec.skill or spec.name})
    return Task(whole, rows, {name: part.spec for name, part in parts.items()})


def _one(file: _File, encoder: Callable[[], Encoder]) -> Task:
    origin, rows = rows_of(file.spec, file.folder)
    try:
        found, problems = drafts(file.spec, rows)
        if problems:
            raise _wrong(origin, problems)
        spec = _resolved(file.spec, found)
        asked = [draft for draft in found if draft.split != "examples"]
        if not asked:
            raise _wrong(origin, ["no row is a question of the split probe or test"])
        prompts = [draft.question for draft in asked]
        if spec.few_shot is not None:
            prompts = _prompts(spec, found, encoder)
    except (RowProblem, ValueError) as problem:
        raise ConfigError(f"{file.name}: {problem}.") from problem
    samples = [_sample(spec, draft, text) for draft, text in zip(asked, prompts, strict=True)]
    return Task(spec, tuple(samples))


def _prompts(spec: TaskSpec, found: Sequence[Draft], encoder: Callable[[], Encoder]) -> list[str]:
    """With examples, of all questions that are asked."""
    assert spec.few_shot is not None
    prompts = with_examples(spec.few_shot, found, spec.max_prompt_chars, encoder)
    pairs = zip(found, prompts, strict=True)
    return [prompt for draft, prompt in pairs if draft.split != "examples"]


def _sample(spec: TaskSpec, draft: Draft, prompt: str) -> Sample:
    """A question that is asked; its id tells its task, so that tables of several have no doubt."""
    assert draft.split != "examples"
    return Sample(
        id=draft.id if draft.id.startswith(spec.name) else f"{spec.name}/{draft.id}",
        split=draft.split,
        question=prompt,
        answer=draft.answer,
        category=draft.category,
        keywords=draft.keywords,
        fields=draft.fields,
    )


def _resolved(spec: TaskSpec, found: Sequence[Draft]) -> TaskSpec:
    """The keys with what the questions decide. Raises ValueError for options of the scorer."""
    scorer = spec.scorer
    if scorer == AUTO:
        answers = [draft.answer.strip() for draft in found]
        numbers = all(NUMBER.fullmatch(answer) for answer in answers)
        letters = all(answer in LETTERS for answer in answers)
        scorer = "number" if numbers else "choice" if letters else "contains"
    try:
        make_scorer(scorer, spec.scorer_options)
    except ConfigError as error:
        raise ValueError(" ".join((error.message, *error.problems))) from error
    return spec.model_copy(update={"scorer": scorer, "skill": spec.skill or spec.name})


def _tree(path: Path, before: tuple[Path, ...]) -> tuple[dict[str, Any], Path]:
    """The keys of a YAML file and of those it extends, and the folder of the one with `data`."""
    if path.resolve() in before:
        raise ConfigError(f"{path} extends itself.")
    tree = parse_yaml(read_text(path), path)
    if not isinstance(tree, dict) or not all(isinstance(key, str) for key in tree):
        raise ConfigError(f"{path} is not a task.", problems=("must be a mapping of keys.",))
    other = tree.get("extends")
    if other is None:
        return tree, path.parent
    if not isinstance(other, str):
        raise ConfigError(f"{path} is not a task.", problems=("extends: must be a text.",))
    base = shipped().get(other) or path.parent / other
    keys, folder = _tree(base, (*before, path.resolve()))
    own = {"name": _name(path), **tree}
    return {**keys, **own}, path.parent if "data" in tree else folder


def _name(path: Path) -> str:
    """The name of a task that has none: the file's, with what names may hold."""
    stem = (path.with_suffix("") if path.suffix == GZIP else path).stem
    return "".join(one if one.isalnum() or one in "_.+-" else "_" for one in stem)


def _wrong(origin: str, problems: Sequence[str]) -> ConfigError:
    shown = list(problems[:MOST_PROBLEMS])
    if len(problems) > len(shown):
        shown.append(f"and {len(problems) - len(shown)} more")
    return ConfigError(f"{origin} has rows that are no questions.", problems=tuple(shown))
