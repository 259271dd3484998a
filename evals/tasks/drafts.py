"""Rows of a table become questions, without their examples yet."""

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from evals.scoring.extracting import Extraction
from evals.scoring.registry import JUDGE
from evals.tasks.columns import ColumnProblem, find_columns, names_of
from evals.tasks.spec import AnySplit, ColumnValue, TaskSpec
from evals.tasks.splits import SPLITS, by_digest, same_words
from evals.tasks.tables import Row
from evals.tasks.templates import Template, TemplateProblem, suggest

OPTIONS = (
    "{{ question }}\n\n"
    "{% for option in options %}\n{{ 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[loop.index0] }}. {{ option }}\n"
    "{% endfor %}\n"
    "Answer with the letter of the right option."
)
"""The prompt of questions with options, where the file has none."""


class RowProblem(Exception):
    """What is wrong with a row, without its place."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A question whose prompt lacks its examples."""

    row: Row
    id: str
    split: AnySplit
    question: str
    answer: str
    category: str
    keywords: tuple[str, ...]
    fields: Mapping[str, Any] = field(default_factory=dict)


class Drafter:
    """Makes drafts by the keys of a task. Raises RowProblem where they do not fit the columns."""

    def __init__(self, spec: TaskSpec, rows: Sequence[Row]) -> None:
        self._spec = spec
        self._names = names_of(rows)
        own_answer = isinstance(spec.answer, str)
        try:
            self._of = find_columns(
                spec.columns,
                self._names,
                needs_prompt=spec.prompt is None,
                needs_answer=not own_answer,
                may_lack_answer=spec.scorer == JUDGE,
            )
        except ColumnProblem as problem:
            raise RowProblem(str(problem)) from problem
        known = {"question": self._of.prompt, "options": self._of.options}
        self._roles = [role for role, column in known.items() if column is not None]
        default = OPTIONS if self._of.options is not None else None
        self._prompt = self._template("prompt", spec.prompt or default)
        self._answer = self._template("answer", spec.answer if own_answer else None)
        self._split = self._template("split", spec.split if isinstance(spec.split, str) else None)
        self._fields = {
            name: template
            for name, value in spec.fields.items()
            if (template := self._template(f"fields.{name}", value)) is not None
        }
        self._copied = {
            name: self._there(name, value.column)
            for name, value in spec.fields.items()
            if isinstance(value, ColumnValue)
        }

    def _template(self, place: str, source: Any) -> Template | None:
        if not isinstance(source, str):
            return None
        try:
            template = Template(source, self._spec.max_prompt_chars)
            template.check((*self._names, "row", *self._roles))
        except TemplateProblem as problem:
            raise RowProblem(f"{place}: {problem}") from problem
        return template

    def _there(self, name: str, column: str) -> str:
        if column not in self._names:
            there = suggest(column, self._names)
            raise RowProblem(f"fields.{name}: there is no column `{column}`{there}")
        return column

    def draft(self, row: Row) -> Draft | None:
        """The question of a row; None where it is left out. Raises RowProblem."""
        values = self._values(row.columns)
        if (split := self._split_of(row.columns, values)) == "":
            return None
        question = self._question(row.columns, values)
        return Draft(
            row,
            self._id(row.columns, question),
            split or by_digest(question, self._spec.probe_share),
            question,
            self._gold(row.columns, values),
            self._text(row.columns, self._of.category) or self._spec.name,
            self._keywords(row.columns),
            self._needed(row.columns, values),
        )

    def _values(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """What templates may name."""
        values = dict(columns)
        if self._of.prompt is not None:
            values["question"] = columns.get(self._of.prompt)
        if self._of.options is not None:
            values["options"] = _options(columns.get(self._of.options))
        return {**values, "row": columns}

    def _question(self, columns: Mapping[str, Any], values: Mapping[str, Any]) -> str:
        if self._prompt is None:
            question = self._text(columns, self._of.prompt) or ""
        else:
            question = _render("prompt", self._prompt, values)
        if not question.strip():
            raise RowProblem(f"{self._of.prompt or 'prompt'}: there is no question")
        return _whole("prompt", question)

    def _gold(self, columns: Mapping[str, Any], values: Mapping[str, Any]) -> str:
        if self._spec.answer == "":
            return ""
        if self._answer is not None:
            answer = _render("answer", self._answer, values)
        else:
            answer = self._text(columns, self._of.answer) or ""
        if isinstance(self._spec.answer, Extraction):
            answer = self._spec.answer.read(answer)
        if not answer.strip() and self._spec.scorer != JUDGE:
            raise RowProblem(f"{self._of.answer or 'answer'}: there is no right answer")
        return _whole("answer", answer)

    def _id(self, columns: Mapping[str, Any], question: str) -> str:
        given = self._text(columns, self._of.id)
        if given is None:
            return hashlib.sha256(question.encode()).hexdigest()[:10]
        return given

    def _split_of(self, columns: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
        """A split; "" for a row that is left out, None where a digest decides."""
        rule = self._spec.split
        if self._split is not None:
            return _split("split", _render("split", self._split, values).strip(), blank=True)
        if self._of.split is None:
            if rule:
                raise RowProblem("split: there is no split column; name it in `columns.split`")
            return None
        given = self._text(columns, self._of.split) or ""
        return rule.get(given, "") if isinstance(rule, dict) else _split(self._of.split, given)

    def _keywords(self, columns: Mapping[str, Any]) -> tuple[str, ...]:
        given = columns.get(self._of.keywords) if self._of.keywords else None
        if isinstance(given, str):
            given = given.split(",")
        if given is None:
            return ()
        if not isinstance(given, list) or not all(isinstance(word, str) for word in given):
            raise RowProblem(f"{self._of.keywords}: must be a list of texts")
        return tuple(word.strip() for word in given if word.strip())

    def _needed(self, columns: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self._of.options is not None:
            found["options"] = values["options"]
        for name, template in self._fields.items():
            found[name] = _render(f"fields.{name}", template, values)
        for name, column in self._copied.items():
            if column not in columns:
                raise RowProblem(f"{column}: this column is missing")
            found[name] = columns[column]
        return found

    def _text(self, columns: Mapping[str, Any], name: str | None) -> str | None:
        """A column's value as a text; None where there is none. Raises RowProblem."""
        value = columns.get(name) if name is not None else None
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, bool):
            raise RowProblem(
                f"{name}: is true or false; say in the YAML file what a model should write:"
                f" `answer: \"{{{{ 'yes' if {name} else 'no' }}}}\"`"
            )
        if isinstance(value, int | float | Decimal) and math.isfinite(value):
            return str(value)
        raise RowProblem(f"{name}: must be a text or a number")


def drafts(spec: TaskSpec, rows: Sequence[Row]) -> tuple[list[Draft], list[str]]:
    """The questions of a table, and what is wrong with its rows. Raises RowProblem."""
    drafter = Drafter(spec, rows)
    found: list[Draft] = []
    problems: list[str] = []
    for row in rows:
        try:
            draft = drafter.draft(row)
        except RowProblem as problem:
            problems.append(f"{row.where}: {problem}")
        else:
            found += [draft] if draft is not None else []
    named = spec.columns.id is not None or "id" in {name.casefold() for name in names_of(rows)}
    return (found if named else _numbered(found)), problems + _doubts(
        found, named=named, published=bool(spec.source)
    )


def _numbered(found: list[Draft]) -> list[Draft]:
    """Ids that are digests, told apart where a question is asked twice."""
    times: Counter[str] = Counter()
    unique = []
    for draft in found:
        times[draft.id] += 1
        again = f"{draft.id}-{times[draft.id]}" if times[draft.id] > 1 else draft.id
        unique.append(replace(draft, id=again))
    return unique


def _doubts(found: Sequence[Draft], *, named: bool, published: bool) -> list[str]:
    """Ids that are not unique, and questions that are in two splits or have two answers."""
    times = Counter(draft.id for draft in found) if named else Counter()
    problems = [f"the id {name} appears {n} times" for name, n in times.items() if n > 1]
    where: dict[str, Draft] = {}
    for draft in found:
        first = where.setdefault(same_words(draft.question), draft)
        if first.split != draft.split:
            problems.append(
                f"{draft.row.where}: the question of {first.row.where} again, but"
                f" {draft.split} and not {first.split}"
            )
        elif not (named or published) and first.answer != draft.answer:
            # Whoever gives ids to both knows what they do; benchmarks are as they are.
            problems.append(
                f"{draft.row.where}: the question of {first.row.where} again, with another answer"
            )
    return problems


def _options(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value) or not value:
        raise RowProblem("options: must be a list of texts")
    return value


def _split(place: str | None, given: str, *, blank: bool = False) -> str:
    if given in SPLITS or (blank and not given):
        return given
    raise RowProblem(
        f"{place}: is {given!r:.40}, but must be probe, test or examples; the key `split` of a"
        " task's YAML file says which of its own values mean what"
    )


def _render(place: str, template: Template, values: Mapping[str, Any]) -> str:
    try:
        return template.render(values)
    except TemplateProblem as problem:
        raise RowProblem(f"{place}: {problem}") from problem


def _whole(place: str, text: str) -> str:
    """The text, if it can be sent. Raises RowProblem for half a character."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RowProblem(f"{place}: holds half of a surrogate pair") from error
    return text
