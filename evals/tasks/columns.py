"""Which column of a table holds the question, which the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evals.tasks.spec import Columns
from evals.tasks.tables import Row
from evals.tasks.templates import suggest

USUAL: Mapping[str, tuple[str, ...]] = {
    "prompt": ("prompt", "question", "input", "query"),
    "answer": ("answer", "gold", "target", "output", "label", "response"),
    "id": ("id",),
    "category": ("category",),
    "split": ("split",),
    "keywords": ("keywords",),
    "options": ("options",),
}
"""The names that are recognised where none is given; case does not count."""


class ColumnProblem(Exception):
    """Why it cannot be told which column is meant."""


@dataclass(frozen=True, slots=True)
class Found:
    """The columns' names; None where there is no such column."""

    prompt: str | None
    answer: str | None
    id: str | None
    category: str | None
    split: str | None
    keywords: str | None
    options: str | None


def names_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """The columns of all rows, in the order in which they are met."""
    return tuple(dict.fromkeys(str(name) for row in rows for name in row.columns))


def find_columns(
    wanted: Columns,
    names: Sequence[str],
    *,
    needs_prompt: bool,
    needs_answer: bool,
    may_lack_answer: bool = False,
) -> Found:
    """What the file's columns are. Raises ColumnProblem.

    `needs_prompt` and `needs_answer` are false where a template says it instead. With
    `may_lack_answer`, an answer is used where there is one.
    """
    needed = {"prompt": needs_prompt, "answer": needs_answer}
    must = {"prompt"} if may_lack_answer else {"prompt", "answer"}
    return Found(
        **{
            role: _column(
                role, getattr(wanted, role), names, needed=needed.get(role, True), must=role in must
            )
            for role in USUAL
        }
    )


def _column(
    role: str, given: str | None, names: Sequence[str], *, needed: bool, must: bool
) -> str | None:
    if given is not None:
        if given not in names:
            raise ColumnProblem(
                f"columns.{role}: there is no column `{given}`{suggest(given, names)}"
            )
        return given
    if not needed:
        return None
    found = [name for name in names if name.strip().casefold() in USUAL[role]]
    if len(found) > 1:
        raise ColumnProblem(
            f"which column is the {role}: {' or '.join(found)}? Say it in a task's YAML file:"
            f" `columns: {{{role}: {found[0]}}}`"
        )
    if not found and must:
        raise ColumnProblem(_missing(role, names))
    return found[0] if found else None


def _missing(role: str, names: Sequence[str]) -> str:
    there = ", ".join(names)
    if len(names) == 1 and ";" in there:
        there += " (cells are separated by commas, or by tabs in a .tsv file)"
    return (
        f"no column is called {', '.join(USUAL[role][:-1])} or {USUAL[role][-1]}. Its columns:"
        f" {there}. Rename one, or name it in a task's YAML file: `columns: {{{role}: NAME}}`"
    )
